"""Fixtures for reading pictures: small files of every format and kind, with the levels that Pillow reads from them.

Made with Pillow 13.0.0 (libjpeg-turbo, libwebp 1.6.0, libtiff 4.7.2), numpy 2.4.6, safetensors 0.8.0; seed 5. Files that Pillow cannot write
(16 bits in colour, interlaced PNG, maps with other maxima) are written here from their specifications.
Usage: python media.py   (writes to Tests/MediaTests/Fixtures)
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps
from safetensors.numpy import save_file

FIXTURES = Path(__file__).resolve().parents[2] / "Tests/MediaTests/Fixtures"
IMAGES = FIXTURES / "images"
levels: dict[str, np.ndarray] = {}
random = np.random.default_rng(5)


def picture(height: int, width: int, channels: int, maximum: int = 255) -> np.ndarray:
    """Waves with a little noise, as levels [H, W, C]."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    waves = 0.5 + 0.35 * np.sin(0.35 * x + 0.9 * c) * np.cos(0.23 * y - 0.5 * c) + 0.08 * random.standard_normal(x.shape)
    return np.rint(np.clip(waves, 0, 1) * maximum).astype(np.uint8 if maximum < 256 else np.uint16)


def keep(name: str, values: np.ndarray) -> None:
    """Levels [H, W, C], of 16 bits as int32."""
    values = values[:, :, None] if values.ndim == 2 else values
    levels[name] = np.ascontiguousarray(values if values.dtype == np.uint8 else values.astype(np.int32))


def read(name: str, mode: str) -> None:
    with Image.open(IMAGES / name) as image:
        keep(name, np.asarray(ImageOps.exif_transpose(image).convert(mode)))


def save(name: str, image: Image.Image, mode: str | None = None, **options) -> None:
    image.save(IMAGES / name, **options)
    read(name, mode or image.mode)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(name: str, values: np.ndarray, interlaced: bool = False) -> None:
    """PNG specification, third edition: filter 0 only; Adam7 where asked for."""
    height, width, channels = values.shape
    depth = values.dtype.itemsize * 8
    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)] if interlaced else [(0, 1, 0, 1)]
    rows = b""
    for y, dy, x, dx in passes:
        part = values[y::dy, x::dx].astype(f">u{depth // 8}")
        if part.size:
            rows += b"".join(b"\0" + row.tobytes() for row in part)
    header = struct.pack(">IIBBBBB", width, height, depth, {1: 0, 3: 2, 2: 4, 4: 6}[channels], 0, 0, interlaced)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (IMAGES / name).write_bytes(data)
    keep(name, values)


def tiff(name: str, values: np.ndarray, big_endian: bool) -> None:
    """TIFF 6.0: one strip without compression."""
    height, width, channels = values.shape
    e = ">" if big_endian else "<"
    depth = values.dtype.itemsize * 8
    data = values.astype(f"{e}u{depth // 8}").tobytes()
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, depth), (259, 3, 1, 1), (262, 3, 1, 2 if channels > 2 else 1),
               (273, 4, 1, 0), (277, 3, 1, channels), (278, 4, 1, height), (279, 4, 1, len(data))]
    if channels in (2, 4):
        entries.append((338, 3, 1, 2))
    directory = 8
    after = directory + 2 + 12 * len(entries) + 4
    bits = struct.pack(f"{e}{channels}H", *[depth] * channels) if channels > 2 else b""
    start = after + len(bits)
    body = struct.pack(f"{e}H", len(entries))
    for tag, kind, count, value in entries:
        value = start if tag == 273 else value
        if tag == 258 and channels > 2:
            field = struct.pack(f"{e}I", after)
        elif tag == 258 and channels == 2:
            field = struct.pack(f"{e}HH", depth, depth)
        else:
            field = struct.pack(f"{e}HH", value, 0) if kind == 3 else struct.pack(f"{e}I", value)
        body += struct.pack(f"{e}HHI", tag, kind, count) + field
    head = (b"MM" if big_endian else b"II") + struct.pack(f"{e}HI", 42, directory)
    (IMAGES / name).write_bytes(head + body + struct.pack(f"{e}I", 0) + bits + data)
    keep(name, values)


def portable_map(name: str, values: np.ndarray, maximum: int) -> None:
    height, width, channels = values.shape
    head = f"P{6 if channels == 3 else 5}\n# made by media.py\n{width} {height}\n{maximum}\n".encode()
    (IMAGES / name).write_bytes(head + values.astype(">u2" if maximum > 255 else "u1").tobytes())
    keep(name, values)


def exif(orientation: int) -> bytes:
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def images() -> None:
    rgb, grey = Image.fromarray(picture(19, 33, 3)), Image.fromarray(picture(19, 33, 1)[:, :, 0])
    rgba, grey_alpha = Image.fromarray(picture(5, 7, 4)), Image.fromarray(picture(5, 7, 2), mode="LA")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    save("rgb.png", rgb, icc_profile=profile)
    save("grey.png", grey)
    save("rgba.png", rgba)
    save("grey-alpha.png", grey_alpha)
    save("palette.png", rgb.quantize(16), "RGB")
    save("palette-alpha.png", rgba.quantize(8), "RGBA")
    save("bits.png", grey.convert("1"), "L")
    save("transparent-color.png", rgb, "RGBA", transparency=rgb.getpixel((4, 3)))
    png("rgb16.png", picture(5, 7, 3, 65535))
    png("rgba16.png", picture(5, 7, 4, 65535))
    png("grey16.png", picture(7, 5, 1, 65535))
    png("grey-alpha16.png", picture(7, 5, 2, 65535))
    png("interlaced.png", picture(11, 9, 3), interlaced=True)
    png("interlaced16.png", picture(3, 2, 1, 65535), interlaced=True)

    for name, subsampling in [("444", 0), ("422", 1), ("420", 2)]:
        save(f"{name}.jpg", rgb, quality=90, subsampling=subsampling)
    save("grey.jpg", grey, quality=75)
    save("progressive.jpg", rgb, quality=60, progressive=True, optimize=True, icc_profile=profile)
    save("restarts.jpg", Image.fromarray(picture(40, 72, 3)), quality=80, restart_marker_blocks=2)
    save("keeps-rgb.jpg", rgb, quality=90, keep_rgb=True)
    for height, width in [(1, 1), (1, 2), (2, 1), (3, 3), (5, 4), (4, 5), (7, 5), (16, 17), (17, 16)]:
        save(f"{height}x{width}.jpg", Image.fromarray(picture(height, width, 3)), quality=85)
        save(f"{height}x{width}.png", Image.fromarray(picture(height, width, 3)))
        save(f"{height}x{width}.webp", Image.fromarray(picture(height, width, 3)), quality=80)

    save("lossy.webp", rgb, quality=70, icc_profile=profile)
    save("lossless.webp", rgb, lossless=True)
    save("lossless-alpha.webp", rgba, lossless=True, exact=True)
    save("lossy-alpha.webp", Image.fromarray(picture(20, 30, 4)), quality=60)

    save("rgb.tif", rgb)
    save("grey.tif", grey)
    save("rgba.tif", rgba)
    save("bits.tif", grey.convert("1"), "L")
    save("palette.tif", rgb.quantize(16), "RGB")
    for compression in ["tiff_lzw", "tiff_adobe_deflate", "packbits"]:
        save(f"{compression}.tif", rgb, compression=compression)
    save("strips.tif", rgb, compression="tiff_lzw", tiffinfo={278: 4}, icc_profile=profile)
    for order, big_endian in [("little", False), ("big", True)]:
        tiff(f"rgb16-{order}.tif", picture(5, 7, 3, 65535), big_endian)
        tiff(f"grey16-{order}.tif", picture(7, 5, 1, 65535), big_endian)
    tiff("rgba16.tif", picture(5, 7, 4, 65535), True)
    tiff("grey-alpha.tif", picture(5, 7, 2), False)

    save("rgb.ppm", rgb)
    save("grey.pgm", grey)
    portable_map("rgb16.ppm", picture(5, 7, 3, 65535), 65535)
    portable_map("grey16.pgm", picture(5, 7, 1, 65535), 65535)

    # The same picture, stored in all the ways that EXIF knows: all of them read the same.
    plain = Image.fromarray(picture(7, 5, 3))
    stored = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
              5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270}
    for number, method in stored.items():
        turned = plain.transpose(method) if method is not None else plain
        save(f"turned-{number}.png", turned, exif=exif(number))
        save(f"turned-{number}.jpg", turned, exif=exif(number), quality=95, subsampling=0)
        assert np.array_equal(levels[f"turned-{number}.png"], np.asarray(plain))
    for number in (3, 6):
        save(f"turned-{number}.webp", plain.transpose(stored[number]), exif=exif(number), lossless=True)
        save(f"turned-{number}.tif", plain.transpose(stored[number]), tiffinfo={274: number})

    # What is refused, so without levels.
    rgb.convert("CMYK").save(IMAGES / "refused-cmyk.jpg")
    rgb.convert("CMYK").save(IMAGES / "refused-cmyk.tif")
    Image.fromarray(np.asarray(grey, dtype=np.float32) / 255).save(IMAGES / "refused-float.tif")
    rgb.quantize(16).save(IMAGES / "refused.gif")
    rgb.save(IMAGES / "refused.bmp")
    rgb.crop((0, 0, 8, 8)).save(IMAGES / "refused-animated.webp", save_all=True, append_images=[rgb.crop((8, 8, 16, 16))], lossless=True)
    rgb.crop((0, 0, 8, 8)).save(IMAGES / "refused-big.tif", big_tiff=True)
    (IMAGES / "refused-text.pgm").write_bytes(b"P2\n2 1\n255\n0 255\n")


if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    images()
    save_file(levels, FIXTURES / "images.safetensors")
