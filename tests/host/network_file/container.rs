//! The safetensors container itself, malformed by hand.

use filter_summary::network::Network;

use crate::common::parts::raw;

fn message(bytes: &[u8]) -> String {
    Network::from_bytes(bytes).map_or_else(|error| error.to_string(), |_| "no error".to_owned())
}

const NO_FORMAT: &str = "metadata format: it is missing: it must be filter-summary (a network file; \
                         fsnet import makes one of a \
                         checkpoint, fsnet conv runs a layer file)";

/// Header, bytes of data, message.
const HEADERS: &[(&str, usize, &str)] = &[
    ("", 0, "header: it is nothing but zeros, not safetensors: download it again"),
    (" ", 0, "header: EOF while parsing a value at line 1 column 1"),
    ("[]", 0, "header: invalid type: sequence, expected an object of tensors at line 1 column 0"),
    ("{}", 0, NO_FORMAT),
    // Null is no metadata.
    (r#"{"__metadata__":null}"#, 0, NO_FORMAT),
    ("{} {}", 0, "header: trailing characters at line 1 column 4"),
    ("{}", 1, "header: the tensors fill 0 of the 1 bytes after the header"),
    (
        r#"{"a":1}"#,
        0,
        "header: a: invalid type: integer `1`, expected an object with dtype, shape and data_offsets at line 1 \
         column 6",
    ),
    (r#"{"a":{"dtype":"F32","shape":[1]}}"#, 4, "header: a: missing field `data_offsets` at line 1 column 32"),
    (r#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#, 4, "tensor a: its dtype is F33, which is unknown"),
    (
        r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
        4,
        "header: a: invalid value: integer `-1`, expected usize at line 1 column 31",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
        4,
        "tensor a: its shape [2] of F32 does not fill its 4 bytes",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        3,
        "tensor a: its bytes 0..4 do not lie in the 3 of the file (truncated?)",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        5,
        "header: the tensors fill 4 of the 5 bytes after the header",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
        4,
        "tensor a: its bytes 4..0 leave a gap before: they must begin at 0",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}"#,
        4,
        "tensor b: its bytes 1..4 leave a gap before: they must begin at 0",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}"#,
        4,
        "tensor b: its bytes 1..4 overlap the tensor before: they must begin at 3",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
        4,
        "tensor b: its bytes 0..4 overlap the tensor before: they must begin at 4",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
        4,
        "header: a occurs twice at line 1 column 105",
    ),
    (
        concat!(
            r#"{"a":{"dtype":"F32","shape":[18446744073709551615,18446744073709551615,18446744073709551615]"#,
            r#","data_offsets":[0,4]}}"#,
        ),
        4,
        "tensor a: its shape [18446744073709551615, 18446744073709551615, 18446744073709551615] overflows",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#,
        0,
        "tensor a: its shape [4611686018427387904] of F32 does not fill its 0 bytes",
    ),
    (
        r#"{"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,0]}}"#,
        0,
        "header: a: invalid type: floating point `1.8446744073709552e+19`, expected usize at line 1 column 49",
    ),
    (
        r#"{"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}}"#,
        4,
        "tensor a: its bytes 0..18446744073709551615 do not lie in the 4 of the file (truncated?)",
    ),
    (r#"{"__metadata__":null,"__metadata__":{}}"#, 0, "header: __metadata__ occurs twice at line 1 column 39"),
    (r#"{"__metadata__":{},"__metadata__":{}}"#, 0, "header: __metadata__ occurs twice at line 1 column 37"),
    (
        r#"{"__metadata__":{"graph":"a","graph":"b"}}"#,
        0,
        "header: __metadata__: graph occurs twice at line 1 column 41",
    ),
    (
        r#"{"__metadata__":{"graph":{}}}"#,
        0,
        "header: __metadata__: invalid type: map, expected a string at line 1 column 25",
    ),
    (
        r#"{"__metadata__":[]}"#,
        0,
        "header: __metadata__: invalid type: sequence, expected an object of strings at line 1 column 16",
    ),
    (
        "{\"a\\nb\\u001b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}",
        4,
        "tensor a\\nb\\u{1b}: its bytes 1..5 leave a gap before: they must begin at 0",
    ),
];

#[test]
fn headers() {
    let mut wrong = Vec::new();
    for (header, data, want) in HEADERS {
        let got = message(&raw(header.as_bytes(), &vec![0; *data]));
        if got != *want {
            wrong.push(format!("{header} + {data}:\n  got  {got}\n  want {want}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lengths() {
    assert_eq!(message(b""), "header: it is empty, not safetensors: download it again, or write it again");
    assert_eq!(message(b"\x01\x02\x00\xff"), "header: 4 bytes: too short for a safetensors file");
    assert_eq!(
        message(&[0xff; 8]),
        "header: its length is 18446744073709551615: only 0 bytes follow (truncated, or not safetensors)"
    );
    assert_eq!(
        message(&[9, 0, 0, 0, 0, 0, 0, 0, b'{', b'}']),
        "header: its length is 9: only 2 bytes follow (truncated, or not safetensors)"
    );
    let mut long = vec![b' '; (32 << 20) + 9];
    long[..8].copy_from_slice(&((32u64 << 20) + 1).to_le_bytes());
    assert_eq!(message(&long), "header: its length is 33554433: it must be at most 33554432");
}

/// Ranges that follow each other up to 2^64 - 8: adding the header's length to the end overflows.
#[test]
fn ranges_to_the_end_of_numbers() {
    let size = (1u64 << 61) - 1;
    let tensor = |i: u64| {
        format!(r#""t{i}":{{"dtype":"U8","shape":[{size}],"data_offsets":[{},{}]}}"#, i * size, (i + 1) * size)
    };
    let header = format!("{{{}}}", (0..8).map(tensor).collect::<Vec<_>>().join(","));
    let want = "tensor t0: its bytes 0..2305843009213693951 do not lie in the 16 of the file (truncated?)";
    assert_eq!(message(&raw(header.as_bytes(), &[0; 16])), want);
}

#[test]
fn encodings() {
    assert_eq!(message(&raw(b"{\"a\xff\":1}", b"")), "header: it is not UTF-8 from byte 3 on");
}

#[test]
fn bombs() {
    for open in ["[", "{\"a\":"] {
        let bomb = open.repeat(1 << 20);
        for header in [bomb.clone(), format!("{{\"a\":{bomb}"), format!("{{\"__metadata__\":{bomb}")] {
            let message = message(&raw(header.as_bytes(), b""));
            assert!(message.starts_with("header: ") && message.len() < 300, "{message}");
        }
        // Unknown keys of a tensor are skipped, at any depth that fits in the file.
        let header = format!("{{\"a\":{{\"x\":{bomb}");
        assert!(message(&raw(header.as_bytes(), b"")).starts_with("header: "));
    }
}
