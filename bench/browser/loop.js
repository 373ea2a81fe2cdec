// The least that a page can do: one POST for each file, five at a time.
document.body.insertAdjacentHTML("beforeend", "<input id=bench type=file multiple>");
document.querySelector("#bench").addEventListener("change", async ({ target }) => {
  const files = [...target.files];
  const send = async () => {
    for (let file = files.pop(); file; file = files.pop()) {
      const id = encodeURIComponent(`${file.name}-${file.size}-${file.lastModified}`);
      const headers = { "X-File-Id": id, "X-Start-Byte": "0" };
      const answer = await fetch("/upload", { method: "POST", headers, body: file });
      if (!answer.ok) throw Error(`${file.name}: ${answer.status}`);
    }
  };
  try {
    await Promise.all([1, 2, 3, 4, 5].map(send));
    globalThis.outcome = "complete";
  } catch (error) {
    globalThis.outcome = String(error);
  }
});
