// All texts of the page, in English and Korean. Pure: no element is changed here.

import { english, textsOf } from './problem.js';

const en = {
  title: 'Send files',
  lead: 'If the connection breaks, the upload goes on where it stopped.',
  choose: 'Choose files',
  drop: 'or drop them here',
  folder: 'Choose a folder',
  hint: 'You may close this page. Choose the same file again later, and it goes on from what has arrived.',
  allTitle: 'All files',
  underWay: 'Under way',
  arrived: 'Arrived',
  clear: 'Clear finished',
  retryFailed: 'Retry failed',
  notify: 'Notify me at the end',
  actions: {
    pause: 'Pause', resume: 'Resume', retry: 'Retry', now: 'Try now', copy: 'Send a second copy', cancel: 'Cancel',
    undo: 'Undo', forget: 'Forget', remove: 'Remove', 'pause-all': 'Pause all', 'resume-all': 'Resume all',
  },
  states: {
    waiting: 'Waiting for its turn', checking: 'Asking the server', sending: 'Sending',
    paused: 'Paused. What has arrived is kept.', complete: 'Done. The server has the whole file.',
    comparing: 'Comparing with what the server has',
    already: 'The server already has this file.', uncompared: 'Already there (contents not compared).',
    cancelled: 'Cancelled', cancelling: 'Cancelled. What has arrived will be deleted.',
  },
  notices: {
    different: 'The server held other bytes under the same name, size and time. The file is sent from the start.',
    buffering: ['A proxy in front of the server is buffering uploads.',
      'It stores each request before it forwards it: progress moves in steps, and a lost connection costs more. ' +
      'The requests are now kept small. The person who runs the server can change this; in nginx: proxy_request_buffering off.'],
    unreadable: ['A part of the folder cannot be read.', 'The rest of it is sent.'],
    empty: ['There is no file in this folder.'],
  },
  problems: english,
  notForgotten: 'The server did not answer, so the received part is still there. It is deleted when the server answers again.',
  begun: 'Not finished',
  chooseAgain: (folder) => (folder ? `choose the folder ${folder} again to go on` : 'choose it again to go on'),
  shareOf: (percent, size) => `${percent} % of ${size}`,
  moreBegun: (n) => `Show ${n.toLocaleString('en')} more`,
  othersLeft: (n) => `${n.toLocaleString('en')} more ${n === 1 ? 'file was' : 'files were'} chosen and not sent. ` +
    'Choose all files again: those that have arrived are not sent twice.',
  forgotten: (name) => `${name} was forgotten.`,
  deletedSoon: 'Forgotten. What has arrived will be deleted.',
  savedAs: (path) => `Saved as ${path}`,
  waitsForServer: 'Waiting for the server',
  nothingArrives: 'Nothing is arriving – checking',
  allSilent: ['Nothing is arriving.', 'The connection is being checked.'],
  trying: 'trying now',
  inList: (name) => `${name} is in the list already.`,
  inListMany: (n) => `${n.toLocaleString('en')} files are in the list already.`,
  removed: (name) => `${name} was removed from the list.`,
  removedMany: (n) => `${n.toLocaleString('en')} finished files were removed from the list.`,
  failedOf: (name) => `${name} failed.`,
  failedMany: (n) => `${n.toLocaleString('en')} files failed.`,
  allHere: (all) => `All ${all.toLocaleString('en')} files have arrived`,
  groups: {
    failed: (n) => `${n.toLocaleString('en')} failed`, active: (n) => `${n.toLocaleString('en')} under way`,
    paused: (n) => `${n.toLocaleString('en')} paused`, waiting: (n) => `${n.toLocaleString('en')} waiting`,
    done: (n) => `${n.toLocaleString('en')} done`,
  },
  moreRows: (n) => `Show more (${n.toLocaleString('en')} hidden)`,
  free: (size) => `${size} free`,
  files: (done, all) => `${done.toLocaleString('en')} of ${all.toLocaleString('en')} ${all === 1 ? 'file' : 'files'}`,
  said: (line) => `The server says: ${line}`,
  amount: (held, total) => `${held} of ${total}`,
  left: (time) => `${time} left`,
  retryIn: (seconds) => `next try in ${seconds} s`,
  unnamed: 'A file without a name',
  silent: (time) => `Nothing has come for ${time}`,
  nobodySends: 'Nobody is sending this now',
  justNow: 'just now',
  ago: (time) => `${time} ago`,
  haveArrived: (paths) => (paths.length === 1 ? `${paths[0]} has arrived.`
    : `${paths.length.toLocaleString('en')} files have arrived.`),
  seconds: (n) => `${n} s`,
  minutes: (n) => `${n} min`,
  hours: (h, m) => `${h} h ${m} min`,
  days: (d, h) => `${d} d ${h} h`,
};

const ko = {
  title: '파일 보내기',
  lead: '연결이 끊겨도 멈춘 곳부터 이어서 보냅니다.',
  choose: '파일 선택',
  drop: '또는 여기에 끌어다 놓으세요',
  folder: '폴더 선택',
  hint: '이 페이지를 닫아도 됩니다. 나중에 같은 파일을 다시 선택하면 이미 도착한 부분 다음부터 이어집니다.',
  allTitle: '전체 파일',
  underWay: '받는 중',
  arrived: '도착한 파일',
  clear: '완료 지우기',
  retryFailed: '실패 다시 시도',
  notify: '끝나면 알림 받기',
  actions: {
    pause: '일시 정지', resume: '계속', retry: '다시 시도', now: '지금 시도', copy: '사본 하나 더 보내기', cancel: '취소',
    undo: '되돌리기', forget: '잊기', remove: '목록에서 빼기', 'pause-all': '모두 정지', 'resume-all': '모두 계속',
  },
  states: {
    waiting: '차례를 기다리는 중', checking: '서버에 확인하는 중', sending: '보내는 중',
    paused: '일시 정지됨. 도착한 부분은 보관됩니다.', complete: '완료. 서버가 파일 전체를 받았습니다.',
    comparing: '서버에 있는 내용과 비교하는 중',
    already: '서버에 이미 있는 파일입니다.', uncompared: '이미 있습니다(내용은 비교하지 않음).', cancelled: '취소됨',
    cancelling: '취소됨. 도착한 부분이 삭제됩니다.',
  },
  notices: {
    different: '이름, 크기, 시각은 같지만 서버에 있던 내용이 이 파일과 다릅니다. 처음부터 다시 보냅니다.',
    buffering: ['서버 앞의 프록시가 업로드를 모아 두고 있습니다.',
      '프록시가 파일을 받아 두었다가 늦게 넘기기 때문에 진행률이 띄엄띄엄 움직이고, 연결이 끊기면 더 많이 다시 보내야 합니다. ' +
      '이제부터 작은 요청으로 나누어 보냅니다. 서버 관리자가 고칠 수 있습니다. nginx 설정: proxy_request_buffering off.'],
    unreadable: ['폴더의 일부를 읽을 수 없습니다.', '나머지는 보냅니다.'],
    empty: ['이 폴더에는 파일이 없습니다.'],
  },
  problems: {
    offline: ['이 기기가 오프라인입니다.', '연결되면 저절로 이어집니다.'],
    gone: ['서버가 응답하지 않습니다.', '계속 다시 시도합니다. 서버가 켜져 있는지, 같은 네트워크에 있는지 확인하세요.'],
    busy: ['서버가 바쁩니다.', '저절로 다시 시도합니다.'],
    'too-many-connections': ['이 네트워크에서 서버에 연결한 수가 너무 많습니다.', '저절로 다시 시도합니다.'],
    'too-many-logins': ['로그인에 너무 많이 실패했습니다.', '기다렸다가 저절로 다시 시도합니다.'],
    unavailable: ['서버가 지금은 파일을 저장할 수 없습니다.', '저절로 다시 시도합니다. 계속되면 서버 관리자에게 알려 주세요.'],
    'server-error': ['서버 내부에 오류가 생겼습니다.', '저절로 다시 시도합니다. 계속되면 서버 관리자에게 알려 주세요.'],
    'disk-failed': ['서버의 디스크에 문제가 생겼습니다.', '저절로 다시 시도합니다. 서버 관리자에게 알려 주세요.'],
    stalled: ['한동안 전송이 멈춰 있었습니다.', '저절로 다시 시도합니다.'],
    strange: ['업로드 서버가 아닌 다른 것이 응답했습니다.',
      '프록시나 와이파이의 로그인 페이지일 수 있습니다. 새 탭에서 이 주소를 열어 확인하세요.'],
    elsewhere: ['다른 탭이나 기기가 같은 파일을 보내고 있습니다.', '기다렸다가 도착한 부분 다음부터 이어서 보냅니다.'],
    'too-many-partials': ['끝나지 않은 업로드가 너무 많습니다.',
      '다른 업로드가 끝날 때까지 기다렸다가 보냅니다. 끝내지 않을 파일은 잊으세요.'],
    refused: ['서버가 이 업로드를 받지 않았습니다.', '다시 시도하세요. 계속되면 서버 관리자에게 알려 주세요.'],
    'sign-in': ['서버에 이름과 비밀번호가 필요합니다.', '다시 시도하여 로그인하세요. 묻는 창이 뜨지 않으면 이 페이지를 새로 고치세요.'],
    untrusted: ['서버의 인증서를 신뢰할 수 없습니다.', '서버 관리자에게 문의하세요.'],
    'wrong-host': ['서버가 이 주소로는 응답하지 않습니다.', 'IP 주소로 열거나, 이 이름을 허용해 달라고 서버 관리자에게 요청하세요.'],
    'no-service': ['이 주소에는 업로드 서버가 없습니다.', '주소나 프록시의 경로를 확인하세요.'],
    'cannot-store': ['서버가 이 파일을 폴더에 저장하지 못합니다.', '서버 관리자에게 알린 뒤 다시 시도하세요.'],
    'proxy-limit': ['서버 앞의 프록시가 작은 요청도 거절합니다.',
      '서버 관리자가 요청 본문의 한도를 올릴 수 있습니다. nginx 설정: client_max_body_size 0.'],
    'disk-full': ['서버에 이 파일을 저장할 공간이 없습니다.',
      '서버 관리자에게 공간을 마련해 달라고 한 뒤 다시 시도하세요. 도착한 부분은 보관됩니다.'],
    'quota-full': ([quota, , left]) => ['서버에 남은 내 공간이 이 파일보다 작습니다.',
      `${left ? `${quota} 중 ${left} 남았습니다.` : `모두 ${quota}입니다.`} 끝내지 않을 파일을 잊거나, 서버 관리자에게 공간을 더 달라고 한 뒤 다시 시도하세요.`],
    different: ['이름, 크기, 시각이 같은 다른 내용이 서버에 거듭 나타납니다.',
      '다른 사람이 같은 이름의 파일을 보내고 있지 않은지 확인한 뒤 다시 시도하세요.'],
    forbidden: ['이 파일을 여기에 보낼 권한이 없습니다.', '서버 관리자에게 문의하세요.'],
    'bad-name': ['서버가 이런 이름의 파일을 저장할 수 없습니다.', '파일 이름을 바꾼 뒤 다시 선택하세요.'],
    'too-large': ([max]) => [`서버가 받는 크기보다 큰 파일입니다${max ? `(최대 ${max})` : ''}.`,
      '더 작은 파일을 보내거나, 서버 관리자에게 한도를 올려 달라고 하세요.'],
    'file-changed': ['이 기기에서 파일이 바뀌었거나 옮겨졌거나 지워졌거나, 파일을 읽을 수 없습니다.', '파일을 확인한 뒤 다시 선택하세요.'],
  },
  notForgotten: '서버가 응답하지 않아 도착한 부분이 남아 있습니다. 서버가 다시 응답하면 삭제됩니다.',
  begun: '끝나지 않은 파일',
  chooseAgain: (folder) => (folder ? `이어서 보내려면 폴더를 다시 선택하세요: ${folder}` : '이어서 보내려면 다시 선택하세요'),
  shareOf: (percent, size) => `${size} 중 ${percent} %`,
  moreBegun: (n) => `${n.toLocaleString('ko')}개 더 보기`,
  othersLeft: (n) => `선택했지만 보내지 못한 파일이 ${n.toLocaleString('ko')}개 더 있습니다. 모든 파일을 다시 선택하세요. ` +
    '이미 도착한 파일은 다시 보내지 않습니다.',
  forgotten: (name) => `잊었습니다: ${name}`,
  deletedSoon: '잊었습니다. 도착한 부분이 삭제됩니다.',
  savedAs: (path) => `저장된 이름: ${path}`,
  waitsForServer: '서버를 기다리는 중',
  nothingArrives: '도착하는 것이 없어 확인하는 중',
  allSilent: ['도착하는 것이 없습니다.', '연결을 확인하고 있습니다.'],
  trying: '지금 시도하는 중',
  inList: (name) => `이미 목록에 있습니다: ${name}`,
  inListMany: (n) => `파일 ${n.toLocaleString('ko')}개가 이미 목록에 있습니다.`,
  removed: (name) => `목록에서 뺐습니다: ${name}`,
  removedMany: (n) => `끝난 파일 ${n.toLocaleString('ko')}개를 목록에서 뺐습니다.`,
  failedOf: (name) => `실패했습니다: ${name}`,
  failedMany: (n) => `파일 ${n.toLocaleString('ko')}개가 실패했습니다.`,
  allHere: (all) => `파일 ${all.toLocaleString('ko')}개가 모두 도착했습니다`,
  groups: {
    failed: (n) => `실패 ${n.toLocaleString('ko')}`, active: (n) => `진행 중 ${n.toLocaleString('ko')}`,
    paused: (n) => `일시 정지 ${n.toLocaleString('ko')}`, waiting: (n) => `대기 ${n.toLocaleString('ko')}`,
    done: (n) => `완료 ${n.toLocaleString('ko')}`,
  },
  moreRows: (n) => `더 보기 (숨은 파일 ${n.toLocaleString('ko')}개)`,
  free: (size) => `남은 공간 ${size}`,
  files: (done, all) => `${all.toLocaleString('ko')}개 중 ${done.toLocaleString('ko')}개 완료`,
  said: (line) => `서버의 설명: ${line}`,
  amount: (held, total) => `${held} / ${total}`,
  left: (time) => `${time} 남음`,
  retryIn: (seconds) => `${seconds}초 뒤 다시 시도`,
  unnamed: '이름 없는 파일',
  silent: (time) => `${time} 동안 아무것도 오지 않았습니다`,
  nobodySends: '지금은 아무도 보내고 있지 않습니다',
  justNow: '방금',
  ago: (time) => `${time} 전`,
  haveArrived: (paths) => (paths.length === 1 ? `도착했습니다: ${paths[0]}` : `파일 ${paths.length.toLocaleString('ko')}개가 도착했습니다.`),
  seconds: (n) => `${n}초`,
  minutes: (n) => `${n}분`,
  hours: (h, m) => `${h}시간 ${m}분`,
  days: (d, h) => `${d}일 ${h}시간`,
};

/** Returns the first supported language of the browser: 'en' or 'ko'. */
export function chooseLanguage(languages) {
  const spoken = languages.map((tag) => tag.toLowerCase().split('-')[0]);
  return spoken.find((language) => language === 'en' || language === 'ko') ?? 'en';
}

/** Returns the texts of a language, with its format of sizes and times. */
export function wordsIn(language) {
  const words = language === 'ko' ? ko : en;
  const sized = (bytes) => size(bytes, language);
  return {
    ...words, size: sized, time: (seconds) => time(seconds, words), problemOf: (problem) => problemOf(problem, words, sized),
  };
}

/** Returns [event, advice]. The server's own line is added only if no code tells its meaning: it is in English. */
function problemOf(problem, words, sized) {
  const { kind, message, said, isNamed, amounts } = problem;
  // An error without a kind is a fault of this page: its own words are better than none.
  const [event, advice] = textsOf(words.problems, kind, (amounts ?? []).map(sized)) ?? [message, ''];
  return [event, said && !isNamed ? `${advice} ${words.said(said)}` : advice];
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

// Decimal units, as browsers and phones show them.
function size(bytes, language) {
  let unit = 0;
  let value = bytes;
  // 999.95 would be written as 1000.0
  for (; value >= 999.95 && unit < units.length - 1; unit++) value /= 1000;
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${format(language, digits).format(value)} ${units[unit]}`;
}

// Kept, because the making of one costs more than all else in a row.
const formats = new Map();
function format(language, digits) {
  const key = `${language} ${digits}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  }
  return formats.get(key);
}

// An estimate, so two numbers at most.
function time(seconds, words) {
  const whole = Math.max(1, Math.ceil(seconds));
  const minutes = Math.round(seconds / 60);
  if (whole < 60) return words.seconds(whole);
  if (minutes < 60) return words.minutes(minutes);
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? words.hours(hours, minutes % 60) : words.days(Math.floor(hours / 24), hours % 24);
}
