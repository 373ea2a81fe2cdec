// Lists the files of a drop or of a folder picker, each with its path below the chosen folder.

/** A chosen file, with its path if a folder was chosen. */
export function chosen(file) {
  return { file, path: file.webkitRelativePath || file.name };
}

/**
 * Yields the files of a drop, one after the other. Calls `onUnreadable()` for each entry that cannot be read. Must be
 * called during the event: the browser clears the drop afterwards.
 */
export function dropped(items, onUnreadable) {
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return found(entries.filter(Boolean), onUnreadable);
}

// No recursion: a deep tree would need a deep stack. The next entry is the last one: `shift` moves all others.
async function* found(entries, onUnreadable) {
  const ahead = entries.reverse();
  while (ahead.length > 0) {
    const entry = ahead.pop();
    try {
      if (entry instanceof File) yield chosen(entry);
      else if (entry.isDirectory) {
        // No `push(...)`: a call with a hundred thousand arguments fails.
        for (const child of await children(entry)) ahead.push(child);
      } else yield { file: await fileOf(entry), path: entry.fullPath.replace(/^\//, '') };
    } catch {
      onUnreadable();
    }
  }
}

// The first name comes last. A reader returns at most a hundred entries per call, and none at the end.
async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  while (true) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all.sort((one, other) => (one.name < other.name ? 1 : -1));
    all.push(...some);
  }
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
