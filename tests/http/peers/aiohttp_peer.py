"""aiohttp's own server, for a client to talk to. Argument: the port."""
import asyncio
import hashlib
import sys

from aiohttp import MultipartReader, MultipartWriter, WSMsgType, web

MIB = 1024 * 1024


async def echo(request):
    """What came: method, path, headers in order, body as text."""
    body = await request.read()
    return web.json_response(
        {
            "method": request.method,
            "path": request.path_qs,
            "query": list(request.query.items()),
            "headers": list(request.headers.items()),
            "cookies": dict(request.cookies),
            "version": list(request.version),
            "body": body.decode("latin-1"),
        }
    )


async def digest(request):
    """Size and SHA-256 of the body, which is read as it comes; how many times some came."""
    digest = hashlib.sha256()
    size = 0
    reads = 0
    async for data in request.content.iter_any():
        digest.update(data)
        size += len(data)
        reads += 1
    return web.json_response({"size": size, "sha256": digest.hexdigest(), "reads": reads})


async def form(request):
    """The fields of a form, in either encoding."""
    fields = []
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            data = value.file.read()
            fields.append([name, value.filename, value.content_type, data.decode("latin-1")])
        else:
            fields.append([name, None, None, value])
    return web.json_response({"type": request.content_type, "fields": fields})


async def take_apart(reader):
    parts = []
    while True:
        part = await reader.next()
        if part is None:
            return parts
        if isinstance(part, MultipartReader):
            parts.append({"parts": await take_apart(part)})
            continue
        data = await part.read(decode=True)
        parts.append(
            {
                "type": part.headers.get("Content-Type"),
                "name": part.name,
                "filename": part.filename,
                "data": data.decode("latin-1"),
            }
        )


async def multipart(request):
    """The parts of a body, nested ones as lists; decoded."""
    return web.json_response(await take_apart(await request.multipart()))


async def parts(request):
    """A body of several parts: text, JSON, a form, one compressed, a nested one."""
    writer = MultipartWriter("mixed")
    writer.append("plain text")
    writer.append_json({"a": [1, 2]})
    writer.append_form([("x", "1"), ("y", "ä")])
    writer.append(b"z" * 10_000, {"Content-Encoding": "gzip"})
    writer.append(b"\x00\xff\r\n--", {"Content-Transfer-Encoding": "base64"})
    inner = MultipartWriter("related")
    inner.append("inside")
    writer.append(inner)
    return web.Response(body=writer)


async def chunked(request):
    """So many chunks of so many bytes, compressed if the client asks for it by `?compress`."""
    count, size = int(request.query["count"]), int(request.query["size"])
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    if "compress" in request.query:
        response.enable_compression()
    await response.prepare(request)
    for number in range(count):
        await response.write(bytes([ord("a") + number % 26]) * size)
    await response.write_eof()
    return response


async def compressed(request):
    """A body in the first encoding that the client accepts."""
    response = web.Response(text="to be compressed " * 1000)
    response.enable_compression()
    return response


async def large(request):
    """So many MiB, with their length."""
    size = int(request.query["mib"]) * MIB
    return web.Response(body=bytes(range(256)) * (size // 256))


async def cut(request):
    """Less than what was promised."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"x" * 100)
    request.transport.close()
    return response


async def set_cookies(request):
    response = web.Response(text="set")
    response.set_cookie("plain", "1")
    response.set_cookie("below", "2", path="/cookies/below")
    response.set_cookie("gone", "3", max_age=0)
    response.headers.add("Set-Cookie", 'quoted="a b"; Path=/')
    return response


async def redirect(request):
    raise web.HTTPFound(request.query["to"])


async def slow(request):
    await asyncio.sleep(float(request.query["delay"]))
    return web.Response(text="late")


async def refuse(request):
    """Does not want what is announced by `Expect`."""
    raise web.HTTPExpectationFailed(text="no")


async def websocket(request):
    """Sends every message back; answers `close NUMBER` by closing."""
    socket = web.WebSocketResponse(protocols=("echo", "other"), heartbeat=None, compress=True)
    await socket.prepare(request)
    async for message in socket:
        if message.type == WSMsgType.TEXT and message.data.startswith("close "):
            await socket.close(code=int(message.data[6:]), message=b"as you like")
        elif message.type == WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


def main():
    app = web.Application(client_max_size=256 * MIB)
    for path, handler in {
        "/echo": echo,
        "/echo/{rest:.*}": echo,
        "/digest": digest,
        "/form": form,
        "/multipart": multipart,
        "/parts": parts,
        "/chunked": chunked,
        "/compressed": compressed,
        "/large": large,
        "/cut": cut,
        "/cookies/set": set_cookies,
        "/cookies/below": echo,
        "/redirect": redirect,
        "/slow": slow,
        "/ws": websocket,
    }.items():
        app.router.add_route("*", path, handler)
    app.router.add_post("/refuse", digest, expect_handler=refuse)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


main()
