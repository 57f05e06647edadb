//! Files of another kind, known by their first bytes: what they are, and what makes a tensor file of them.

use std::fmt;

use super::message::clean;
use super::{HEADER_LIMIT, LENGTH_BYTES};

/// Bytes from which a file's kind is told: the names of an archive's first members lie there, and the keys of a JSON
/// document.
pub(super) const HEAD: usize = 1 << 16;

/// Longest piece of a text that a message repeats, in characters.
const QUOTE: usize = 60;

/// What a file is that holds no safetensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// What it is, with an article: `a Git LFS pointer`.
    pub what: String,
    /// The next step.
    pub remedy: &'static str,
    /// Whether the file is not what anybody wanted: something went wrong before, and the remedy brings the right one.
    pub stray: bool,
}

impl Foreign {
    fn new(what: impl Into<String>, remedy: &'static str) -> Self {
        Self { what: what.into(), remedy, stray: false }
    }

    fn stray(what: impl Into<String>, remedy: &'static str) -> Self {
        Self { stray: true, ..Self::new(what, remedy) }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is {}, not safetensors: {}", self.what, self.remedy)
    }
}

const FETCH: &str = "download it again";
const UNPACK: &str = "unpack it and name the file in it";
const NO_PICTURE: &str = "name a model";
const ORIGINAL: &str = "look for the same model as safetensors, or export it from the framework that trained it";

/// Each is one line for a shell, with the two files as its arguments.
const FROM_TORCH: &str = "convert it with python3 -c \"import sys, torch, safetensors.torch as s; \
    d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); d = d.get('state_dict', d.get('model', d)); \
    s.save_file({k: v.clone().contiguous() for k, v in d.items() if torch.is_tensor(v)}, sys.argv[2])\" \
    FILE NEW.safetensors";
const FROM_TORCH_SCRIPT: &str = "convert it with python3 -c \"import sys, torch, safetensors.torch as s; \
    d = torch.jit.load(sys.argv[1], map_location='cpu').state_dict(); \
    s.save_file({k: v.clone().contiguous() for k, v in d.items()}, sys.argv[2])\" FILE NEW.safetensors";
const FROM_SHARDS: &str = "join its files with python3 -c \"import json, os, sys, safetensors.torch as s; \
    d, i = {}, sys.argv[1]; \
    [d.update(s.load_file(os.path.join(os.path.dirname(i), f))) \
    for f in set(json.load(open(i))['weight_map'].values())]; \
    s.save_file(d, sys.argv[2])\" FILE NEW.safetensors";
const FROM_NPZ: &str = "convert it with python3 -c \"import sys, numpy, safetensors.numpy as s; \
    s.save_file(dict(numpy.load(sys.argv[1])), sys.argv[2])\" FILE NEW.safetensors";
const FROM_NPY: &str = "convert it with python3 -c \"import sys, numpy, safetensors.numpy as s; \
    s.save_file({'weight': numpy.load(sys.argv[1])}, sys.argv[2])\" FILE NEW.safetensors, with the tensor's own name";
const FROM_ONNX: &str = "make a network of it with fsnet import FILE -o NEW.safetensors";
const FROM_HDF5: &str = "convert its data sets with python3 -c \"import sys, h5py, safetensors.numpy as s; d = {}; \
    h5py.File(sys.argv[1]).visititems(lambda n, v: d.update({n: v[()]} if hasattr(v, 'shape') else {})); \
    s.save_file(d, sys.argv[2])\" FILE NEW.safetensors";

/// Kinds with a signature at a fixed place: offset, signature, what it is, the next step.
const SIGNATURES: [(usize, &[u8], &str, &str); 24] = [
    (0, b"GGUF", "a GGUF file", ORIGINAL),
    (0, b"lmgg", "a GGML file", ORIGINAL),
    (0, b"tjgg", "a GGML file", ORIGINAL),
    (4, b"TFL3", "a TensorFlow Lite model", ORIGINAL),
    (0, b"\x93NUMPY", "a NumPy array (.npy)", FROM_NPY),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras)", FROM_HDF5),
    (0, b"\x1f\x8b", "compressed with gzip", UNPACK),
    (0, b"\xfd7zXZ\0", "compressed with xz", UNPACK),
    (0, b"BZh", "compressed with bzip2", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture", NO_PICTURE),
    (0, b"\xff\xd8\xff", "a JPEG picture", NO_PICTURE),
    (0, b"GIF8", "a GIF picture", NO_PICTURE),
    (8, b"WEBP", "a WebP picture", NO_PICTURE),
    (4, b"ftypheic", "a HEIC picture", NO_PICTURE),
    (4, b"ftypmif1", "a HEIF picture", NO_PICTURE),
    (4, b"ftypavif", "an AVIF picture", NO_PICTURE),
    (0, b"II*\0", "a TIFF picture", NO_PICTURE),
    (0, b"MM\0*", "a TIFF picture", NO_PICTURE),
    (0, b"%PDF", "a PDF document", FETCH),
    (0, b"\x7fELF", "a program", "name a model"),
];

/// Tells a file of another kind by its first bytes, or all of them where there are fewer than 65,536. `None` where it
/// may be safetensors, or of no kind that is known here.
pub fn recognize(head: &[u8]) -> Option<Foreign> {
    let head = &head[..head.len().min(HEAD)];
    if is_safetensors(head) {
        return None;
    }
    if head.is_empty() {
        return Some(Foreign::stray("empty", "download it again, or write it again"));
    }
    if let Some((.., what, remedy)) =
        SIGNATURES.iter().find(|(at, signature, ..)| head.get(*at..).is_some_and(|rest| rest.starts_with(signature)))
    {
        return Some(Foreign::new(*what, remedy));
    }
    archive(head).or_else(|| pickle(head)).or_else(|| protobuf(head)).or_else(|| bitmap(head)).or_else(|| text(head))
}

/// Whether a file begins like safetensors: with the length of a header, and a header.
pub fn is_safetensors(head: &[u8]) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<LENGTH_BYTES>() else { return false };
    u64::from_le_bytes(*length) <= HEADER_LIMIT as u64 && rest.first() == Some(&b'{')
}

/// Zip archives, by the names of the members that begin in `head`.
fn archive(head: &[u8]) -> Option<Foreign> {
    const MEMBER: &[u8] = b"PK\x03\x04";
    if !head.starts_with(MEMBER) {
        return head.starts_with(b"PK\x05\x06").then(|| Foreign::new("an empty zip archive", FETCH));
    }
    let members = || head.windows(MEMBER.len()).enumerate().filter(|(_, window)| *window == MEMBER);
    let names = || {
        members().filter_map(|(at, _)| {
            let length = head.get(at + 26..at + 28)?;
            let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
            head.get(at + 30..at + 30 + length)
        })
    };
    let any = |is: fn(&[u8]) -> bool| names().any(is);
    // Newer scripts begin with the values, behind which `head` may not reach.
    let begins_with_values = names().next().is_some_and(|name| has(name, b"/data/"));
    let is_script = |name: &[u8]| name.ends_with(b"/constants.pkl") || has(name, b"/code/__torch__");
    Some(if begins_with_values || any(is_script) {
        Foreign::new("a TorchScript archive", FROM_TORCH_SCRIPT)
    } else if any(|name| name.ends_with(b"data.pkl")) {
        Foreign::new("a PyTorch archive", FROM_TORCH)
    } else if any(|name| name.ends_with(b".npy")) {
        Foreign::new("a NumPy archive (.npz)", FROM_NPZ)
    } else if any(|name| name.ends_with(b"model.weights.h5") || name == b"config.json") {
        Foreign::new("a Keras archive", "unpack it: its weights are the HDF5 file in it, which h5py reads")
    } else {
        Foreign::new("a zip archive", UNPACK)
    })
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Python's pickles; PyTorch's own before archives begin with one that holds a magic number.
fn pickle(head: &[u8]) -> Option<Foreign> {
    // The oldest protocols are text, or nearly: a dictionary, a list, or an object of a module.
    const OLD: [&[u8]; 9] = [
        b"(dp0\n",
        b"(dp1\n",
        b"(lp0\n",
        b"(lp1\n",
        b"ccollections\n",
        b"c__builtin__\n",
        b"ccopy_reg\n",
        b"cnumpy",
        b"ctorch",
    ];
    if OLD.iter().any(|start| head.starts_with(start)) || matches!(head, [b'}' | b']', b'q', 0, ..]) {
        return Some(Foreign::new("a Python pickle", FROM_TORCH));
    }
    let [0x80, 2..=5, rest @ ..] = head else { return None };
    Some(if rest.starts_with(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") {
        Foreign::new("a PyTorch file (of the kind before 1.6)", FROM_TORCH)
    } else {
        // torch.load reads plain pickles too.
        Foreign::new("a Python pickle", FROM_TORCH)
    })
}

/// Messages of Google's protocol buffers, which have no signature: the first fields of a model, in their order.
fn protobuf(head: &[u8]) -> Option<Foreign> {
    match head {
        [0x08, 1, 0x12, ..] => Some(Foreign::new("a TensorFlow SavedModel", ORIGINAL)),
        // The version of ONNX, then producer, domain, documentation, graph or operators.
        [0x08, 2..=32, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..] => {
            Some(Foreign::new("an ONNX model", FROM_ONNX))
        }
        // A name, then the first layer, of the new kind or the old.
        [0x0a, length @ 1..=64, rest @ ..] => {
            let (name, rest) = rest.split_at_checked(usize::from(*length))?;
            let is_name = name.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
            let is_layer = matches!(rest, [0xa2, 0x06, ..] | [0x12, ..]);
            (is_name && is_layer).then(|| Foreign::new("a Caffe model", ORIGINAL))
        }
        _ => None,
    }
}

/// Windows bitmaps: `BM` alone could begin a text.
fn bitmap(head: &[u8]) -> Option<Foreign> {
    let is_bitmap = head.starts_with(b"BM") && head.get(6..10) == Some(&[0; 4]);
    is_bitmap.then(|| Foreign::new("a BMP picture", NO_PICTURE))
}

/// The text of UTF-16: with a byte order mark, or with every other byte zero.
fn utf_16(head: &[u8]) -> Option<String> {
    let (pairs, _) = head.as_chunks::<2>();
    let is_latin = |high: usize| {
        let is_text = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        pairs.len() > 1 && pairs.iter().all(|pair| pair[high] == 0 && is_text(pair[1 - high]))
    };
    let read = match head {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ if is_latin(1) => u16::from_le_bytes,
        _ if is_latin(0) => u16::from_be_bytes,
        _ => return None,
    };
    let mut units: Vec<u16> = pairs.iter().map(|&pair| read(pair)).collect();
    // The head may end within a character.
    units.pop_if(|last| head.len() == HEAD && (0xd800..0xdc00).contains(last));
    String::from_utf16(&units).ok()
}

/// What is text, or nothing.
fn text(head: &[u8]) -> Option<Foreign> {
    if let Some(wide) = utf_16(head) {
        let found = text(wide.as_bytes())?;
        return Some(Foreign { what: format!("{}, in UTF-16", found.what), ..found });
    }
    if head.iter().all(|&byte| byte == 0) {
        return Some(Foreign::stray("nothing but zeros", FETCH));
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The head may end within a character.
        Err(error) if head.len() == HEAD && error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if text.contains('\0') {
        return None;
    }
    let text = text.trim_start_matches('\u{feff}').trim();
    let lower: String = text.chars().take(QUOTE).collect::<String>().to_ascii_lowercase();
    Some(if text.starts_with("version https://git-lfs.github.com/spec/") {
        lfs_pointer(text)
    } else if ["<!doctype html", "<html", "<head", "<body", "<!--"].iter().any(|start| lower.starts_with(start)) {
        Foreign::stray(
            "a web page (HTML)",
            "download the file itself (its raw or resolve address, not the page about it)",
        )
    } else if lower.starts_with('<') {
        Foreign::stray("an XML document", FETCH)
    } else if text.starts_with(['{', '[']) {
        json(text)
    } else if text.is_empty() {
        Foreign::stray("nothing but white space", FETCH)
    } else {
        let line = clean(text.lines().next().unwrap_or_default(), QUOTE);
        Foreign::stray(format!("a text ({line})"), "if it was downloaded, that went wrong: download it again")
    })
}

/// Git LFS stores the file elsewhere, and says how long it is.
fn lfs_pointer(text: &str) -> Foreign {
    let size = text.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse::<u64>().ok());
    let of = size.map(|size| format!(" (to {size} bytes)")).unwrap_or_default();
    Foreign::stray(format!("a Git LFS pointer{of}"), "fetch the file itself with git lfs pull")
}

fn json(text: &str) -> Foreign {
    // Servers answer so where a file should be.
    let refusal = serde_json::from_str::<serde_json::Value>(text).ok().and_then(|answer| {
        let of = |key: &str| Some(clean(answer.get(key)?.as_str()?, QUOTE));
        ["error", "message", "detail"].into_iter().find_map(of)
    });
    if let Some(refusal) = refusal {
        return Foreign::stray(format!("a server's refusal ({refusal})"), "check its address and download it again");
    }
    if !text.contains("\"weight_map\"") {
        return Foreign::new("a JSON document", "name the file with the tensors, which lies beside it");
    }
    let what = "the index of a checkpoint in several files";
    if text.contains(".safetensors\"") {
        Foreign::new(what, FROM_SHARDS)
    } else {
        Foreign::new(what, "convert and join the files it names (torch.load, then safetensors.torch.save_file)")
    }
}
