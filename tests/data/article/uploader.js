// A client with no more than the article describes: a raw id, two headers, one request. The server must serve it as is.
class Uploader {
  constructor({ file, onProgress }) {
    this.file = file;
    this.onProgress = onProgress;
    this.fileId = `${file.name}-${file.size}-${file.lastModified}`;
  }

  async getUploadedBytes() {
    const response = await fetch('status', { headers: { 'X-File-Id': this.fileId } });
    if (response.status !== 200) throw new Error(`status: ${response.status}`);
    return Number(await response.text());
  }

  async upload() {
    const startByte = await this.getUploadedBytes();
    const xhr = this.xhr = new XMLHttpRequest();
    xhr.open('POST', 'upload', true);
    xhr.setRequestHeader('X-File-Id', this.fileId);
    xhr.setRequestHeader('X-Start-Byte', startByte);
    xhr.upload.onprogress = (e) => this.onProgress(startByte + e.loaded, startByte + e.total);
    const ended = new Promise((resolve, reject) => {
      xhr.onload = () => (xhr.status === 200 ? resolve(true) : reject(new Error(`upload: ${xhr.status}`)));
      xhr.onerror = () => reject(new Error('upload: connection lost'));
      xhr.onabort = () => resolve(false);
    });
    xhr.send(this.file.slice(startByte));
    return ended;
  }

  stop() {
    this.xhr?.abort();
  }
}
