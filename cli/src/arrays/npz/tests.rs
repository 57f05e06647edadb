use super::*;

fn array(values: &[f32]) -> Array {
    Array { shape: vec![values.len()], values: values.to_vec() }
}

/// An archive of members by name.
fn archive(members: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn two(method: CompressionMethod) -> Vec<u8> {
    let [input, other] = [&[1.0, 2.0][..], &[3.0]].map(|values| npy::encode(&array(values)).unwrap());
    archive(&[("input.npy", input), ("other.npy", other), ("notes.txt", b"text".to_vec())], method)
}

#[test]
fn stored_and_deflated_arrays_are_read_by_name() {
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let bytes = two(method);
        assert!(is_npz(&bytes));
        let arrays = parse(&bytes, &["input", "absent"]).unwrap();
        assert_eq!(arrays.wanted.into_iter().collect::<Vec<_>>(), [("input".to_owned(), array(&[1.0, 2.0]))]);
        assert_eq!(arrays.others, ["other", "notes.txt"]);
    }
    let bytes = encode(&[("output".to_owned(), array(&[5.0]))]).unwrap();
    assert_eq!(parse(&bytes, &["output"]).unwrap().wanted["output"], array(&[5.0]));
}

#[test]
fn other_archives_are_none() {
    let notes = archive(&[("notes.txt", Vec::new())], CompressionMethod::Stored);
    for bytes in [&notes[..], b"", b"PK\x03\x04", &two(CompressionMethod::Stored)[..20]] {
        assert!(!is_npz(bytes));
    }
}

/// Half a gigabyte of zeros in half a megabyte.
#[test]
fn bombs_are_refused() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .start_file("input.npy", SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
        .unwrap();
    let zeros = vec![0; 1 << 20];
    (0..300).for_each(|_| writer.write_all(&zeros).unwrap());
    let bytes = writer.finish().unwrap().into_inner();
    let error = format!("{:#}", parse(&bytes, &["input"]).unwrap_err());
    assert!(
        error.contains("array input: its ") && error.contains(" inflate to 314572800: at most 268435456"),
        "{error}"
    );
    // Nobody asked for it.
    assert_eq!(parse(&bytes, &["expected"]).unwrap().others, ["input"]);
}

/// Every byte changed, and every length: an answer or an error.
#[test]
fn damaged_archives_do_no_harm() {
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let bytes = two(method);
        let mut wrong = 0;
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                match parse(&damaged, &["input"]) {
                    Ok(arrays) => {
                        // What is read is what was written: sums of bytes are compared.
                        assert!(arrays.wanted.get("input").is_none_or(|input| *input == array(&[1.0, 2.0])));
                    }
                    Err(_) => wrong += 1,
                }
            }
            parse(&bytes[..at], &["input"]).unwrap_err();
        }
        assert!(wrong > 100, "{wrong}");
    }
}
