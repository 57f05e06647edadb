//! Files of another kind are called by their name, with the next step.

use filter_summary::layer_file::LayerFile;
use filter_summary::network::Network;
use filter_summary::tensor_file::{TensorFile, read_tensors, recognize};

use crate::common::parts::{Parts, raw};

/// A zip archive of empty members, as far as anybody reads it.
fn zip(names: &[&str]) -> Vec<u8> {
    let member = |name: &&str| {
        let length = (name.len() as u16).to_le_bytes();
        [&b"PK\x03\x04"[..], &[0; 22], &length, &[0, 0], name.as_bytes()].concat()
    };
    names.iter().flat_map(member).collect()
}

fn tar() -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..4].copy_from_slice(b"a.pt");
    bytes[257..262].copy_from_slice(b"ustar");
    bytes
}

#[test]
fn every_kind_is_named() {
    let cases: Vec<(Vec<u8>, &str, &str)> = vec![
        (zip(&["archive/data.pkl", "archive/version"]), "a PyTorch archive", "torch.load("),
        (zip(&["m/data.pkl", "m/code/__torch__/a.py", "m/constants.pkl"]), "a TorchScript archive", "torch.jit.load("),
        (zip(&["m/data/0"]), "a TorchScript archive", "torch.jit.load("),
        (zip(&["conv.weight.npy"]), "a NumPy archive (.npz)", "numpy.load("),
        (zip(&["metadata.json", "config.json", "model.weights.h5"]), "a Keras archive", "h5py"),
        (zip(&["readme.txt"]), "a zip archive", "unpack"),
        (b"PK\x05\x06\0\0".to_vec(), "an empty zip archive", "download"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02".to_vec(), "a PyTorch file", "torch.load("),
        (b"\x80\x04\x95\x0a\0\0\0\0\0\0\0}\x94.".to_vec(), "a Python pickle", "torch.load("),
        (b"\x08\x07\x12\x07pytorch\x1a\x051.9.0".to_vec(), "an ONNX model", "fsnet import FILE"),
        (b"\x08\x01\x12\x96\x02\x0a".to_vec(), "a TensorFlow SavedModel", "safetensors"),
        (b"\x0a\x0aSqueezeNet\xa2\x06\x10".to_vec(), "a Caffe model", "safetensors"),
        (b"GGUF\x03\0\0\0".to_vec(), "a GGUF file", "safetensors"),
        (b"\x1c\0\0\0TFL3".to_vec(), "a TensorFlow Lite model", "safetensors"),
        (b"\x93NUMPY\x01\0v\0{'descr'".to_vec(), "a NumPy array (.npy)", "numpy.load("),
        (b"\x89HDF\r\n\x1a\n\0".to_vec(), "an HDF5 file (Keras)", "h5py"),
        (b"\x1f\x8b\x08\0".to_vec(), "compressed with gzip", "unpack"),
        (b"\xfd7zXZ\0".to_vec(), "compressed with xz", "unpack"),
        (tar(), "a tar archive", "unpack"),
        (b"\x89PNG\r\n\x1a\n\0".to_vec(), "a PNG picture", "model"),
        (b"\xff\xd8\xff\xe0".to_vec(), "a JPEG picture", "model"),
        (b"BM\x36\0\0\0\0\0\0\0".to_vec(), "a BMP picture", "model"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1084504\n".to_vec(),
            "a Git LFS pointer (to 1084504 bytes)",
            "git lfs pull",
        ),
        (b"version https://git-lfs.github.com/spec/v1\r\n".to_vec(), "a Git LFS pointer", "git lfs pull"),
        (b"\n <!DOCTYPE html>\n<html>".to_vec(), "a web page (HTML)", "download the file itself"),
        (b"\xef\xbb\xbf<HTML lang=en>".to_vec(), "a web page (HTML)", "download the file itself"),
        (b"<?xml version=\"1.0\"?><Error>".to_vec(), "an XML document", "download"),
        (
            br#"{"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}"#.to_vec(),
            "the index of a checkpoint in several files",
            "s.load_file(",
        ),
        (
            br#"{"weight_map": {"a": "pytorch_model-00001-of-00002.bin"}}"#.to_vec(),
            "the index of a checkpoint in several files",
            "torch.load",
        ),
        (br#"{"architectures": ["ResNet"]}"#.to_vec(), "a JSON document", "beside it"),
        (br#"{"error":"Entry not found"}"#.to_vec(), "a server's refusal (Entry not found)", "download it again"),
        (br#"{"message": "Not Found", "status": "404"}"#.to_vec(), "a server's refusal (Not Found)", "download it"),
        (b"(dp0\nVa\np1\nI1\ns.".to_vec(), "a Python pickle", "torch.load("),
        (b"(lp0\nI1\na.".to_vec(), "a Python pickle", "torch.load("),
        (b"ccollections\nOrderedDict\np0\n".to_vec(), "a Python pickle", "torch.load("),
        (b"}q\0(X\x01\0\0\0aK\x01u.".to_vec(), "a Python pickle", "torch.load("),
        (b"\xff\xfeh\0i\0 \0\xe4\0".to_vec(), "a text (hi ä), in UTF-16", "download it again"),
        (b"\xfe\xff\0h\0i".to_vec(), "a text (hi), in UTF-16", "download it again"),
        (b"<\0h\0t\0m\0l\0>\0".to_vec(), "a web page (HTML), in UTF-16", "download the file itself"),
        (b"\0h\0i".to_vec(), "a text (hi), in UTF-16", "download it again"),
        (b"Entry not found".to_vec(), "a text (Entry not found)", "download it again"),
        (b"404:\x1b[2J Not Found\n\n".to_vec(), "a text (404:\\u{1b}[2J Not Found)", "download it again"),
        (Vec::new(), "empty", "download it again"),
        (vec![0; 1000], "nothing but zeros", "download it again"),
        (b" \n".to_vec(), "nothing but white space", "download it again"),
    ];
    for (bytes, what, remedy) in cases {
        let foreign = recognize(&bytes).expect(what);
        assert!(foreign.what.starts_with(what), "{what}: {foreign}");
        assert!(foreign.remedy.contains(remedy), "{what}: {foreign}");
        // Whoever reads it says so, in one line, whole.
        let want = format!("header: it is {}, not safetensors: {}", foreign.what, foreign.remedy);
        assert_eq!(Network::from_bytes(&bytes).unwrap_err().to_string(), want);
        assert_eq!(LayerFile::from_bytes(&bytes).unwrap_err().to_string(), want);
        assert_eq!(TensorFile::parse(&bytes).unwrap_err().to_string(), want);
        assert!(!want.contains(['\n', '\x1b']), "{want}");
    }
}

#[test]
fn safetensors_are_no_other_kind() {
    let good = Parts::good().bytes();
    for length in 9..200.min(good.len()) {
        assert_eq!(recognize(&good[..length]), None, "{length} bytes");
    }
    // Lengths that begin like the signatures of others: ONNX, Caffe, gzip, pickle, and text.
    for begin in [*b"\x08\x07\x12\0", *b"\x0a\x01a\0", *b"\x1f\x8b\x01\0", *b"\x80\x02\0\0", *b"ab\0\0"] {
        let length = u32::from_le_bytes(begin) as usize;
        let mut header = b"{}".to_vec();
        header.resize(length, b' ');
        assert!(TensorFile::parse(&raw(&header, &[])).is_ok(), "{begin:?}");
    }
    // Of no kind at all.
    assert_eq!(recognize(b"\x01\x02\xff\xfe"), None);
}

/// A checkpoint of 64 GiB in another format is not read to the end, let alone into memory.
#[test]
fn large_files_of_another_kind_are_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.bin");
    std::fs::write(&path, zip(&["archive/data.pkl"])).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(64 << 30).unwrap();
    for message in [
        Network::load(&path).unwrap_err().to_string(),
        LayerFile::load(&path).unwrap_err().to_string(),
        read_tensors(&path).unwrap_err().to_string(),
    ] {
        assert!(message.starts_with(&format!("{}: it is a PyTorch archive", path.display())), "{message}");
    }
    let message = read_tensors(directory.path()).unwrap_err().to_string();
    assert_eq!(message, format!("{}: it is a directory: name a file in it", directory.path().display()));
}

#[test]
fn names_in_common_are_refused() {
    use filter_summary::tensor_file::{NewTensor, Values, encode};
    let tensor = |name: &str| NewTensor { name: name.to_owned(), shape: vec![1], values: Values::F32(&[1.0]) };
    let bytes = encode(&[tensor("a"), tensor("module.a"), tensor("b")], &Default::default()).unwrap();
    let mut file = TensorFile::parse(&bytes).unwrap();
    let error = file.rename(|name| name.trim_start_matches("module.").to_owned()).unwrap_err().to_string();
    assert_eq!(error, "tensor module.a: it and tensor a are both a: which is meant?");
    let mut file = TensorFile::parse(&bytes).unwrap();
    file.rename(|name| format!("x.{name}")).unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["x.a", "x.b", "x.module.a"]);
    assert!(file.take("x.b").unwrap().expect_shape(&[2]).unwrap_err().to_string().starts_with("tensor x.b: "));
}
