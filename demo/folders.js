// Files in folders: what was dropped, or chosen with a folder picker, file by file, with its path from the folder on.

/** A chosen file, with the path that it has in the folder that was chosen, if it was one. */
export function chosen(file) {
  return { file, path: file.webkitRelativePath || file.name };
}

/**
 * The files of a drop, found one after the other; `onUnreadable()` is called for what cannot be read. To be called
 * while the drop is an event: afterwards the browser has forgotten it.
 */
export function dropped(items, onUnreadable) {
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return found(entries.filter(Boolean), onUnreadable);
}

// Without a recursion: a deep tree is a long list here, and no deep stack.
async function* found(ahead, onUnreadable) {
  while (ahead.length > 0) {
    const entry = ahead.shift();
    try {
      if (entry instanceof File) yield chosen(entry);
      else if (entry.isDirectory) ahead.unshift(...await children(entry));
      else yield { file: await fileOf(entry), path: entry.fullPath.replace(/^\//, '') };
    } catch {
      onUnreadable();
    }
  }
}

// A reader hands out a hundred at a time, and none when there are no more.
async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  while (true) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all.sort((one, other) => (one.name < other.name ? -1 : 1));
    all.push(...some);
  }
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
