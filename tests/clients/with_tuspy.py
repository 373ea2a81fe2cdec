"""STORAGE=FILE with_tuspy.py ENDPOINT FILE: uploads a file, from where an earlier run got to.

CHECKSUM=yes sends the checksum of each part."""

import os
import sys

from tusclient import client
from tusclient.storage.filestorage import FileStorage

endpoint, file = sys.argv[1:]
storage = os.environ["STORAGE"]

uploader = client.TusClient(endpoint).uploader(
    file,
    chunk_size=8 << 20,
    metadata={"filename": os.path.basename(file)},
    retries=5,
    retry_delay=1,
    store_url=True,
    url_storage=FileStorage(storage),
    upload_checksum="CHECKSUM" in os.environ,
)
uploader.upload()
