//! Files that are being written: under a temporary name, until they are whole.

use std::fs::{File, Metadata};
use std::io::{BufWriter, Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The temporary files of this process.
static TEMPORARY: Mutex<Temporary> = Mutex::new(Temporary { paths: Vec::new(), count: 0, ending: false });

struct Temporary {
    paths: Vec<PathBuf>,
    /// Names made so far: none is used again, by another thread, while the file that had it is still being looked
    /// after.
    count: u64,
    ending: bool,
}

fn temporary() -> MutexGuard<'static, Temporary> {
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what [`super::write_beside`] has not finished, in every thread, and lets nothing more be written: for
/// whoever ends the program from outside of those threads, as a handler of signals does.
pub fn remove_unfinished() {
    let mut temporary = temporary();
    temporary.ending = true;
    for path in temporary.paths.drain(..) {
        // The program ends: there is nobody to tell.
        let _ = std::fs::remove_file(path);
    }
}

/// Writes a file beside `place` and renames it, with the permissions and, as far as the system lets us, the owner of
/// the file that it replaces.
pub(super) fn write(
    place: &Path,
    replaced: Option<&Metadata>,
    contents: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<()> {
    let (unfinished, file) = Unfinished::create(place)?;
    if let Some(replaced) = replaced {
        // Before anything is in it: what is private stays so.
        adopt(&file, replaced)?;
    }
    let mut buffer = BufWriter::new(&file);
    contents(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    // Some file systems notice only now that they are full.
    file.sync_all()?;
    drop(file);
    unfinished.rename(place)
}

/// Checks that files can be made in a directory, by making one.
#[cfg(all(feature = "tune", not(target_family = "wasm")))]
pub(super) fn probe(directory: &Path) -> Result<()> {
    Unfinished::create(&directory.join("probe")).map(|_| ())
}

fn adopt(file: &File, replaced: &Metadata) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        // Root may give files away, and must not take them; others have no say.
        let _ = fchown(file, Some(replaced.uid()), Some(replaced.gid()));
    }
    // Not all file systems have permissions that can be set.
    if file.metadata()?.permissions() == replaced.permissions() {
        return Ok(());
    }
    file.set_permissions(replaced.permissions())
}

/// A file under its temporary name. It is removed unless it gets the name it is meant to have.
struct Unfinished(PathBuf);

impl Unfinished {
    /// A new file in the directory of `place`, under a name nobody uses.
    fn create(place: &Path) -> Result<(Self, File)> {
        let mut temporary = temporary();
        if temporary.ending {
            return Err(Error::other("the program is ending"));
        }
        let mut attempts = 0..100;
        loop {
            temporary.count += 1;
            // Not made from the name of `place`, which may be as long as names may be.
            let name = format!(".filter-summary-{}-{}.tmp", std::process::id(), temporary.count);
            let path = place.with_file_name(name);
            match File::create_new(&path) {
                // Of a process of the same number, on another machine or killed before.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && attempts.next().is_some() => {}
                Err(error) => return Err(error),
                Ok(file) => {
                    temporary.paths.push(path.clone());
                    return Ok((Self(path), file));
                }
            }
        }
    }

    fn rename(self, place: &Path) -> Result<()> {
        let mut temporary = temporary();
        std::fs::rename(&self.0, place)?;
        temporary.paths.retain(|path| *path != self.0);
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut temporary = temporary();
        if let Some(at) = temporary.paths.iter().position(|path| *path == self.0) {
            temporary.paths.swap_remove(at);
            // Why it was not finished is the error to report; what cannot be removed stays under its temporary name.
            let _ = std::fs::remove_file(&self.0);
        }
    }
}
