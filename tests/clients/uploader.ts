// A consumer of resumed-uploader, compiled in strict mode.
import { Problem, Uploader, type NoticeKind, type ProblemKind, type UploaderOptions, type UploadState } from "resumed-uploader";

async function token(): Promise<string> {
  return "secret";
}

const abort = new AbortController();
const common: Omit<UploaderOptions, "file"> = {
  server: new URL("https://up.example.org/"),
  headers: async () => ({ Authorization: `Bearer ${await token()}` }),
  chunkBytes: 1_000_000,
  concurrency: 2,
  retry: (problem: Problem, failures: number) => problem.kind !== "strange" && failures < 5,
  signal: abort.signal,
  onProgress: (held: number, total: number) => console.log(held / total),
  onState: (state: UploadState, problem: Problem | null) => console.log(state, problem?.said),
  onNotice: (kind: NoticeKind) => console.log(kind),
};

export async function send(file: File): Promise<string | null> {
  const uploader = new Uploader({ file, path: "trip/a.jpg", ...common });
  uploader.asksFirst = true;
  try {
    const isComplete: boolean = await uploader.upload();
    return isComplete ? uploader.savedAs : null;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const kind: ProblemKind = error.kind;
    console.log(kind, error.message, error.passes, error.afterSeconds, error.cause);
    return null;
  }
}

export const small = new Uploader({ file: new Blob(["hello"]), name: "a.txt", lastModified: 0, headers: { "X-A": "b" } });
export const copied: Promise<boolean> = small.sendCopy();

// @ts-expect-error: the file is missing
new Uploader({});
// @ts-expect-error: an unknown option
new Uploader({ file: new Blob(), onprogress() {} });
// @ts-expect-error: a number, not a text
new Uploader({ file: new Blob(), chunkBytes: "1 MB" });
// @ts-expect-error: the state changes by methods only
small.state = "complete";
