"""with_aiotus.py ENDPOINT FILE: uploads a file."""

import asyncio
import os
import sys

import aiotus

endpoint, file = sys.argv[1:]


async def main():
    with open(file, "rb") as content:
        return await aiotus.upload(endpoint, content, {"filename": os.path.basename(file).encode()})


# It says why, and returns nothing, when it gives up.
if asyncio.run(main()) is None:
    sys.exit(1)
