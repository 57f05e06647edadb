use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ImageBuffer, ImageEncoder, ImageFormat, Rgb, RgbImage};

use super::*;

/// 24x16 pixels, ten scans.
const PROGRESSIVE: &[u8] = include_bytes!("../../../tests/data/progressive.jpg");

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8 * 5, y as u8 * 7, (x * y) as u8]))
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn error(bytes: &[u8]) -> String {
    format!("{:#}", decode(bytes).unwrap_err())
}

/// An EXIF block with nothing but an orientation: the header of a TIFF file, and a directory of one entry.
fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    block.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
    block
}

#[test]
fn what_is_no_image_is_named() {
    assert_eq!(error(b"GIF89a and so on"), "neither PNG nor JPEG: it is a GIF picture");
    assert_eq!(error(b""), "it is empty");
}

#[test]
fn no_part_of_a_jpeg_passes_for_the_whole() {
    for whole in [encoded(&picture(40, 30).into(), ImageFormat::Jpeg), PROGRESSIVE.to_vec()] {
        decode(&whole).unwrap();
        for end in 1..whole.len() {
            assert!(decode(&whole[..end]).is_err(), "{end} of {} bytes", whole.len());
        }
        assert_eq!(error(&whole[..whole.len() - 2]), "the JPEG is truncated: its end is missing");
        // A download that has its size and not yet its bytes.
        let mut sparse = whole.clone();
        sparse[whole.len() / 2..].fill(0);
        assert!(decode(&sparse).is_err());
        // A part, and the start of another file.
        assert!(decode(&[&whole[..whole.len() - 20], whole.as_slice()].concat()).is_err());
    }
}

#[test]
fn what_cameras_add_to_a_jpeg_is_not_its_end() {
    let whole = encoded(&picture(40, 30).into(), ImageFormat::Jpeg);
    let want = decode(&whole).unwrap();
    let thumbnail = encoded(&picture(8, 6).into(), ImageFormat::Jpeg);
    // Behind the two bytes of its start, a segment with another JPEG.
    let length = (thumbnail.len() as u16 + 2).to_be_bytes();
    let inside = [&whole[..2], &[0xff, 0xe2], &length, &thumbnail, &whole[2..]].concat();
    assert_eq!(decode(&inside).unwrap(), want);
    for end in [inside.len() - 2, inside.len() - 100, 2 + 4 + thumbnail.len()] {
        assert!(decode(&inside[..end]).is_err(), "{end}");
    }
    // Behind its end another one, whole or not, or anything.
    for more in [&thumbnail[..], &thumbnail[..90], b"\0\0\xff and so on"] {
        assert_eq!(decode(&[&whole, more].concat()).unwrap(), want);
    }
    // Fill bytes before its end, and bytes that should not be there.
    let last = whole.len() - 2;
    for more in [&[0xff; 3][..], &[0x00, 0x12, 0x00]] {
        assert_eq!(decode(&[&whole[..last], more, &whole[last..]].concat()).unwrap(), want);
    }
}

#[test]
fn a_part_of_a_png_is_refused_unless_it_has_all_pixels() {
    let deep = ImageBuffer::from_fn(9, 7, |x, y| image::Rgba([x as u16 * 999, y as u16 * 777, 5, 65_535]));
    for image in [DynamicImage::from(picture(40, 30)), DynamicImage::ImageRgba16(deep)] {
        let whole = encoded(&image, ImageFormat::Png);
        assert_eq!(decode(&whole).unwrap(), image);
        let passed = (1..whole.len()).filter(|&end| decode(&whole[..end]).is_ok_and(|part| part == image)).count();
        let refused = (1..whole.len()).filter(|&end| decode(&whole[..end]).is_err()).count();
        assert_eq!(passed + refused, whole.len() - 1);
        // The checks and the mark at the end.
        assert!(passed <= 24, "{passed}");
    }
}

/// Where row 0 and column 0 of what is stored are to be seen, as the EXIF standard lists them from 1 on.
const SIDES: [(char, char); 8] =
    [('t', 'l'), ('t', 'r'), ('b', 'r'), ('b', 'l'), ('l', 't'), ('r', 't'), ('r', 'b'), ('l', 'b')];

#[test]
fn images_are_upright() {
    let upright = picture(5, 3);
    for (orientation, (rows, columns)) in (1u8..).zip(SIDES) {
        let transposed = "lr".contains(rows);
        let (width, height) = if transposed { (3, 5) } else { (5, 3) };
        let stored = RgbImage::from_fn(width, height, |x, y| {
            let from = |side: char, at: u32, size: u32| if "tl".contains(side) { at } else { size - 1 - at };
            let (along_rows, along_columns) = (from(rows, y, height), from(columns, x, width));
            let (x, y) = if transposed { (along_rows, along_columns) } else { (along_columns, along_rows) };
            *upright.get_pixel(x, y)
        });
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        stored.write_with_encoder(encoder).unwrap();
        assert_eq!(decode(&bytes).unwrap().into_rgb8(), upright, "orientation {orientation}");

        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        stored.write_with_encoder(encoder).unwrap();
        let shown = decode(&bytes).unwrap().into_rgb8();
        assert_eq!(shown.dimensions(), (5, 3));
        let errors = shown.iter().zip(upright.iter()).map(|(&got, &want)| u32::from(got.abs_diff(want)));
        assert!(errors.sum::<u32>() < 45 * 4, "orientation {orientation}");
    }
    // What makes no sense is no orientation.
    for broken in [exif(0), exif(9), exif(6)[..12].to_vec(), b"random".to_vec()] {
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_exif_metadata(broken).unwrap();
        upright.write_with_encoder(encoder).unwrap();
        assert_eq!(decode(&bytes).unwrap().into_rgb8(), upright);
    }
}

#[test]
fn images_that_are_too_large_are_named() {
    let whole = encoded(&picture(4, 4).into(), ImageFormat::Png);
    let resized = |width: u32, height: u32| {
        let mut bytes = whole.clone();
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        // The check of the header is wrong now; without it the decoder would not look at the size.
        let mut sum = !0u32;
        for &byte in &bytes[12..29] {
            sum = (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)));
        }
        bytes[29..33].copy_from_slice(&(!sum).to_be_bytes());
        bytes
    };
    assert_eq!(error(&resized(70_000, 2)), "the image is 70000x2: neither side may be longer than 65535");
    let message = "the image is 30000x20000, 1716 MiB when it is decoded: it may have 1024";
    assert_eq!(error(&resized(30_000, 20_000)), message);
}

#[test]
fn text_is_no_image() {
    let error = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
    assert_eq!(error(b"\x01\x02\xff"), "neither PNG nor JPEG");
    assert!(error(b"hello").starts_with("neither PNG nor JPEG: it is a text (hello): "));
    assert_eq!(error(b"%PDF-1.7"), "neither PNG nor JPEG: it is a PDF document");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n";
    assert!(error(pointer).ends_with("it is a Git LFS pointer (to 5 bytes): fetch the file itself with git lfs pull"));
    assert!(error(b"\x02\0\0\0\0\0\0\0{}").contains("it is safetensors, a model perhaps (--model)"));
}
