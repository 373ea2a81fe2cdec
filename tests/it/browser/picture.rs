//! The README's picture, made anew by `cargo test --test it browser::picture -- --ignored`: a phone beside a laptop, in
//! the middle of 200 photos.
//!
//! The Korean name in it needs a font, such as that of Debian's fonts-noto-cjk.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Disk, Visit};
use crate::support::Site;
use crate::support::browser::{Browser, Page, base64};
use crate::support::left_out::needs;

const PHOTOS: usize = 200;
const FILM: &str = "제주도 여행 영상.mp4";
const FILM_BYTES: u64 = 190_000_000;

/// Draws photo number `n`: a sky with a sun, and four ranges of hills. Returns a JPEG in base64.
const PHOTO: &str = "
    ((n) => {
      let state = n * 7919 + 1;
      const random = () => { state = state * 16807 % 2147483647; return state / 2147483647; };
      for (let i = 0; i < 9; i++) random();
      const [w, h] = n % 5 === 3 ? [360, 480] : [480, 360];
      const canvas = Object.assign(document.createElement('canvas'), { width: w, height: h });
      const pen = canvas.getContext('2d');
      const hue = [205, 18, 262, 190, 35, 330, 150][Math.floor(random() * 7)];
      const sky = pen.createLinearGradient(0, 0, 0, h * 0.7);
      sky.addColorStop(0, `hsl(${hue} 65% ${38 + random() * 30}%)`);
      sky.addColorStop(1, `hsl(${hue + 40 * (random() - 0.5)} 75% 82%)`);
      pen.fillStyle = sky;
      pen.fillRect(0, 0, w, h);
      pen.fillStyle = `hsl(${hue + 30} 90% 92%)`;
      pen.beginPath();
      pen.arc(w * (0.2 + 0.6 * random()), h * (0.2 + 0.25 * random()), h * 0.07, 0, 7);
      pen.fill();
      for (let range = 0; range < 4; range++) {
        pen.fillStyle = `hsl(${hue + range * 18 - 30} ${35 + range * 4}% ${52 - range * 11}%)`;
        pen.beginPath();
        pen.moveTo(0, h);
        for (let i = 0; i <= 24; i++) {
          const y = h * (0.45 + range * 0.13) + Math.sin(i * 0.6 + n + range * 2) * h * 0.06;
          pen.lineTo(w * i / 24, y + (random() - 0.5) * h * 0.07 * (1 - range * 0.2));
        }
        pen.lineTo(w, h);
        pen.fill();
      }
      return canvas.toDataURL('image/jpeg', 0.9).split(',')[1];
    })";

/// The frames around both pictures.
const FRAMES: &str = "<!doctype html><meta charset=utf-8><style>
    body { margin: 0; width: 1320px; height: 780px; background: #fff; position: relative; }
    img { display: block; width: 100%; height: 100%; }
    .laptop { position: absolute; left: 20px; top: 20px; width: 1060px; height: 690px; padding: 14px; border-radius: 20px; background: #20242c; }
    .laptop img { border-radius: 7px; }
    .foot { position: absolute; left: 0; top: 738px; width: 1128px; height: 20px; border-radius: 3px 3px 22px 22px; background: #c9ced6; }
    .phone { position: absolute; left: 956px; top: 62px; width: 312px; height: 675px; padding: 9px; border: 4px solid #fff; border-radius: 42px; background: #20242c; }
    .phone img { border-radius: 31px; }
    </style>
    <div class=laptop><img src=laptop.png></div><div class=foot></div>
    <div class=phone><img src=phone.png></div>";

#[test]
#[ignore = "makes a picture"]
fn picture() {
    needs!("chromium");
    let disk = Disk::new();
    let browser = Browser::chromium();
    let files = photos(&disk, &browser.open("about:blank"));
    take(&browser, &files, disk.path(), "laptop");
    take(&browser, &files, disk.path(), "phone");
    let frames = disk.path().join("frames.html");
    fs::write(&frames, FRAMES).expect("written");
    let page = browser.open(&format!("file://{}", frames.display()));
    page.set_size(1320, 780);
    page.wait_for("[...document.images].every(image => image.complete)");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    page.screenshot(&docs.join("page.png"));
}

/// Makes the photos and a film, as long as those of a camera.
fn photos(disk: &Disk, page: &Page<'_>) -> Vec<PathBuf> {
    let film = disk.file(FILM, FILM_BYTES);
    let mut files = vec![film.path().to_owned()];
    for n in 1..PHOTOS {
        let photo = page.evaluate(&format!("{PHOTO}({n})"));
        let path = disk.path().join(format!(
            "IMG_2024{:04}_{}.jpg",
            1010 + n / 40,
            91_500 + n * 37
        ));
        fs::write(&path, base64(photo.as_str().expect("a picture"))).expect("written");
        let file = fs::OpenOptions::new().append(true).open(&path);
        let length = 4_300_000 + n as u64 * 7_919_000 % 2_000_000;
        file.and_then(|file| file.set_len(length)).expect("longer");
        files.push(path);
    }
    files
}

/// Takes a picture of the page on this device, when half of the files are there.
fn take(browser: &Browser, files: &[PathBuf], dir: &Path, device: &str) {
    let site = Site::new();
    let visit = Visit::to(browser, site.addr());
    match device {
        "phone" => visit.page.become_phone(),
        _ => visit.page.set_size(1060, 690),
    }
    visit.limit_uploads(40_000_000);
    visit.choose(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    visit
        .page
        .wait_for("parseInt(document.querySelector('#counts [data-group=done]').textContent) > 60");
    visit.limit_uploads(11_000_000);
    visit
        .page
        .wait_for("parseInt(document.querySelector('#counts [data-group=done]').textContent) > 86");
    // As in a network at home.
    visit
        .page
        .evaluate("document.getElementById('host').textContent = 'nas.local:8080'");
    visit
        .page
        .wait_for("document.querySelectorAll('.file[data-state=sending] canvas').length > 3");
    visit.page.screenshot(&dir.join(format!("{device}.png")));
}
