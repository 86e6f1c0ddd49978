"""An app that uses the microservice: starts it if need be, calls it, ends it.

python3 -m examples.app
"""

from __future__ import annotations

import asyncio
import sys

from .kitten import MyKitten


async def main() -> None:
    kitty = await MyKitten(args=sys.argv[1:]).connect(auto_start=True)
    print(f"{kitty}")

    meow = await kitty.meow()
    print(f"Our first meow: {meow['data'].strip()}")

    async for result in kitty.purr(3):
        print(result["purr"])

    await kitty.quitquitquit()


if __name__ == "__main__":
    asyncio.run(main())
