import asyncio

loop = asyncio.new_event_loop()
loop.call_later(0.05, lambda: print("ready", flush=True))
loop.run_forever()
