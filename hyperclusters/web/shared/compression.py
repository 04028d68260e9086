"""Answers come compressed by brotli to browsers that read it, else by gzip; in both cases padded."""

from __future__ import annotations

import re
import secrets

import brotli
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

TAKES_BROTLI = re.compile(r"\bbr\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
QUALITY = 6  # a millisecond or two for a page; 11 would take a hundred
LEAST = 200  # bytes; what is smaller stays as it is, as gzip's middleware has it


class CompressionMiddleware(GZipMiddleware):
    """Safe beside secrets in pages, as Django's: no answer's size tells how well a guess in it compressed."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Compress whole answers by brotli; what is streamed, and for everybody else, is gzip's."""
        takes = TAKES_BROTLI.search(request.META.get("HTTP_ACCEPT_ENCODING", ""))
        if not takes or not isinstance(response, HttpResponse) or response.has_header("Content-Encoding"):
            return super().process_response(request, response)
        if len(response.content) < LEAST:
            return response
        patch_vary_headers(response, ["Accept-Encoding"])
        response.content = padded_brotli(response.content, secrets.randbelow(self.max_random_bytes) + 1)
        response.headers["Content-Length"] = str(len(response.content))
        response.headers["Content-Encoding"] = "br"
        if (etag := response.headers.get("ETag", "")).startswith('"'):
            response.headers["ETag"] = f"W/{etag}"  # of other bytes
        return response


def padded_brotli(content: bytes, size: int) -> bytes:
    """Compressed, with 1 to 256 bytes that readers skip: a metadata block, RFC 7932 section 9.2."""
    compressor = brotli.Compressor(quality=QUALITY)
    text = compressor.process(content) + compressor.flush()  # ends with a whole byte
    # Not the last block, metadata, reserved bit, its length in one byte; that length less one; zeros up to a byte.
    header = (0b01_0_11_0 | (size - 1) << 6).to_bytes(2, "little")
    body: bytes = text + header + bytes(size) + compressor.finish()
    return body
