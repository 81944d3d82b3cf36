import trio


async def main():
    await trio.sleep(0)
    print("hello")


trio.run(main)
