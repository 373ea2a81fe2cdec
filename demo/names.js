// Names of files: safe to show, in two parts, with the kind of the file. Pure.

// Characters that are invisible or change the direction of text: with U+202E a program looks like a picture.
const misleading = /[\p{Cc}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\u2028\u2029\ufff9-\ufffb]/gu;
const joiner = /[\u200c\u200d]/;
const selector = /\p{Variation_Selector}/u;
const visible = /^(?:\p{Variation_Selector}|[^\p{Cc}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\p{White_Space}])$/u;

/**
 * Returns `name` with U+FFFD for each misleading character. A joiner between two visible characters stays, and so does
 * a variation selector after one: emoji and Persian names need them.
 */
export function shown(name) {
  return name.replace(misleading, (letter, at) => {
    const before = [...name.slice(Math.max(0, at - 2), at)].at(-1) ?? '';
    const after = String.fromCodePoint(name.codePointAt(at + letter.length) ?? 0);
    const isInside = visible.test(before) && (joiner.test(letter) ? visible.test(after) : selector.test(letter));
    return isInside ? letter : '\ufffd';
  });
}

const EXTENSION_MAX = 8;
const BEFORE_EXTENSION = 6;
/** A shorter first part would be narrower than the room that it keeps: there would be a gap behind it. */
const FIRST_MIN = 6;
// Letters of these scripts have other shapes, or another order, when they are apart.
const joined = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Mongolian}]/u;

/**
 * Returns the two parts of a name. A narrow row shortens the first, so that the end of the name stays visible. The first
 * part of a short name is empty.
 */
export function partsOf(name) {
  const letters = lettersOf(name);
  const dot = letters.lastIndexOf('.');
  const extension = dot > 0 && letters.length - dot <= EXTENSION_MAX ? letters.length - dot : 0;
  const more = joined.test(name) ? 0 : BEFORE_EXTENSION;
  const end = Math.max(extension, Math.min(extension + more, Math.floor(letters.length / 2)));
  let at = letters.length - end;
  // A space at the place of the cut would look like a wide gap.
  while (letters[at] === ' ') at++;
  if (at < FIRST_MIN) return ['', name];
  return [letters.slice(0, at).join(''), letters.slice(at).join('')];
}

const segmenter = Intl.Segmenter && new Intl.Segmenter();
const plain = /^[\x20-\x7e]*$/;

// A letter with its accents, or an emoji, is one.
function lettersOf(text) {
  if (!segmenter || plain.test(text)) return [...text];
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

const kinds = {
  image: 'jpg jpeg png gif webp avif heic heif svg bmp tif tiff dng cr2 cr3 nef arw jxl',
  video: 'mp4 mov mkv webm avi m4v mts m2ts 3gp wmv mpg mpeg',
  audio: 'mp3 flac wav m4a ogg opus aac wma aif aiff',
  document: 'pdf doc docx odt txt md rtf pages xls xlsx ods csv numbers ppt pptx odp key hwp hwpx epub',
  archive: 'zip 7z rar tar gz tgz xz zst bz2 iso dmg',
};
const kindOfExtension = new Map(Object.entries(kinds)
  .flatMap(([kind, extensions]) => extensions.split(' ').map((extension) => [extension, kind])));

/** Returns the kind of a file, for its icon: image, video, audio, document, archive or other. */
export function kindOf(name) {
  return kindOfExtension.get(name.slice(name.lastIndexOf('.') + 1).toLowerCase()) ?? 'other';
}
