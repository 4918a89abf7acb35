"""`/docs`: the API in Swagger UI, whose files come with the package fastapi-swagger; nothing from other hosts."""

from importlib.resources import files

from fastapi import APIRouter, Response

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Purse: API</title>
<link rel="icon" href="static/icon.svg">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
START = """SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null});
"""
TYPES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
"""Everything from this service; `data:` for the icons in Swagger UI's own style sheet."""

api = APIRouter(include_in_schema=False)


@api.get("/docs")
async def page() -> Response:
    """The page; like `/openapi.json`, which it shows, it needs no key."""
    return Response(PAGE, media_type="text/html", headers=HEADERS)


@api.get("/docs/{name}")
def file(name: str) -> Response:
    """A file of the page."""
    if name == "start.js":
        return Response(START, media_type="text/javascript", headers=HEADERS)
    if name not in TYPES:
        return Response("There is no such file.", 404, media_type="text/plain")
    content = (files("fastapi_swagger.resources") / name).read_bytes()
    return Response(content, media_type=TYPES[name], headers={**HEADERS, "Cache-Control": "public, max-age=86400"})
