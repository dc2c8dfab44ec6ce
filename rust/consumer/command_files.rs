// SPDX-License-Identifier: GPL-2.0

//! Two files in debugfs through which user space tells a driver what to do.
//!
//! A line written to `command` is run, and the write fails as the command does; `result` holds
//! what the last command said. Unlike the files of `kernel::debugfs`, these may belong to an object
//! that borrows the bound device.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)

use core::{
    fmt,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        from_result, //
    },
    ffi::{
        c_char,
        c_void, //
    },
    new_mutex,
    prelude::*,
    str::CString,
    sync::Mutex,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// The longest command line, in bytes.
const MAX_LINE: usize = 128;

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 1024;

/// What takes commands.
pub trait Commands: Sync {
    /// The module that has the code: it stays loaded while a file is open.
    const MODULE: &'static ThisModule;

    /// Runs a command line. May be called by several threads at a time, and may sleep.
    ///
    /// # Errors
    ///
    /// What the command returns; if it says nothing else, the name of the error is said.
    fn run(&self, line: &str, answer: &mut Answer) -> Result;
}

/// What a command has to say: text of at most [`MAX_ANSWER`] bytes, the rest is cut off.
pub struct Answer {
    text: KBox<[u8; MAX_ANSWER]>,
    len: usize,
}

impl Answer {
    fn new() -> Result<Self> {
        Ok(Self {
            text: KBox::new([0; MAX_ANSWER], GFP_KERNEL)?,
            len: 0,
        })
    }

    fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or(&[])
    }
}

impl fmt::Write for Answer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = self.text.get_mut(self.len..).unwrap_or(&mut []);
        for (to, from) in free.iter_mut().zip(text.bytes()) {
            *to = from;
            self.len = self.len.wrapping_add(1);
        }
        Ok(())
    }
}

/// The two files, in a directory of their own, and what they belong to.
#[pin_data]
pub struct CommandFiles<T: Commands> {
    // First, so that the files are gone before what they belong to is dropped.
    directory: Directory,
    #[pin]
    target: Target<T>,
}

/// What the files lead to.
#[pin_data]
struct Target<T: Commands> {
    #[pin]
    commands: T,
    #[pin]
    result: Mutex<Answer>,
}

impl<T: Commands> CommandFiles<T> {
    const COMMAND: bindings::file_operations = bindings::file_operations {
        owner: T::MODULE.as_ptr(),
        open: Some(bindings::simple_open),
        write: Some(Self::write_callback),
        ..pin_init::zeroed()
    };

    const RESULT: bindings::file_operations = bindings::file_operations {
        owner: T::MODULE.as_ptr(),
        open: Some(bindings::simple_open),
        read: Some(Self::read_callback),
        ..pin_init::zeroed()
    };

    /// Makes the directory `name` in `parent`, which is in the root of debugfs, and the files.
    ///
    /// # Errors
    ///
    /// `ENOENT` without `parent`, `EEXIST` if `name` is there already, `ENOMEM`, and the errors
    /// of `commands`.
    pub fn new<'a>(
        parent: &'a CStr,
        name: &'a CStr,
        commands: impl PinInit<T, Error> + 'a,
    ) -> impl PinInit<Self, Error> + 'a
    where
        T: 'a,
    {
        try_pin_init!(Self {
            directory: Directory::new(parent, name)?,
            target <- try_pin_init!(Target {
                commands <- commands,
                result <- new_mutex!(Answer::new()?),
            }),
        })
        .pin_chain(|files| {
            let target = ptr::from_ref(&files.target).cast_mut().cast();
            // SAFETY: The target is pinned, and `directory` is dropped before it.
            unsafe {
                files
                    .directory
                    .add(c"command", 0o200, target, &Self::COMMAND)
            }?;
            // SAFETY: As above.
            unsafe { files.directory.add(c"result", 0o400, target, &Self::RESULT) }
        })
    }

    /// What the files belong to.
    pub fn commands(self: Pin<&Self>) -> &T {
        &self.get_ref().target.commands
    }

    /// The target of an open file.
    ///
    /// # Safety
    ///
    /// `file` is an open file of ours in use by a callback, which ends before `'a` does.
    unsafe fn target<'a>(file: *mut bindings::file) -> &'a Target<T> {
        // SAFETY: `simple_open()` made the pointer that `new` passed the file's private data.
        // debugfs waits for callbacks when it removes a file, which happens before the target is
        // dropped.
        unsafe { &*(*file).private_data.cast() }
    }

    /// A write to `command`.
    ///
    /// # Safety
    ///
    /// Called by debugfs, with a file that [`CommandFiles`] has made.
    unsafe extern "C" fn write_callback(
        file: *mut bindings::file,
        from: *const c_char,
        count: usize,
        _position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: debugfs calls this for open files.
        let target = unsafe { Self::target(file) };
        let user = UserSlice::new(UserPtr::from_ptr(from.cast_mut().cast()), count);
        // CAST: The VFS limits `count` to what fits.
        from_result(|| target.write(user).map(|()| count as isize))
    }

    /// A read of `result`.
    ///
    /// # Safety
    ///
    /// Called by debugfs, with a file that [`CommandFiles`] has made.
    unsafe extern "C" fn read_callback(
        file: *mut bindings::file,
        to: *mut c_char,
        count: usize,
        position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: debugfs calls this for open files.
        let target = unsafe { Self::target(file) };
        // SAFETY: The VFS passes the position of this read.
        let position = unsafe { &mut *position };
        let mut user = UserSlice::new(UserPtr::from_ptr(to.cast()), count).writer();
        // CAST: The VFS limits `count` to what fits.
        from_result(|| {
            let read = user.write_slice_file(target.result.lock().as_bytes(), position)?;
            Ok(read as isize)
        })
    }
}

impl<T: Commands> Target<T> {
    /// Runs the line that user space wrote.
    fn write(&self, user: UserSlice) -> Result {
        let mut user = user.reader();
        let mut line = [0; MAX_LINE];
        let line = line.get_mut(..user.len()).ok_or(E2BIG)?;
        user.read_slice(line)?;
        let line = core::str::from_utf8(line).map_err(|_| EINVAL)?;

        let mut answer = Answer::new()?;
        let done = self.commands.run(line, &mut answer);
        if let (Err(error), 0) = (done, answer.len) {
            // An answer takes any text.
            let _ = fmt::Write::write_fmt(&mut answer, format_args!("{error:?}\n"));
        }
        *self.result.lock() = answer;
        done
    }
}

/// A directory in debugfs, which goes with all there is in it.
struct Directory {
    parent: Entry,
    name: CString,
}

impl Directory {
    /// Makes the directory `name` in `parent`, which is in the root of debugfs.
    fn new(parent: &CStr, name: &CStr) -> Result<Self> {
        let parent = Entry::find(parent, None)?;
        let name = CString::try_from(name)?;
        // SAFETY: The name is a string, and we hold a reference of the parent.
        let dentry = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), parent.0.as_ptr()) };
        from_err_ptr(dentry)?;
        Ok(Self { parent, name })
    }

    /// Makes a file in the directory.
    ///
    /// # Safety
    ///
    /// `data` is what `operations` expect in a file, and outlives `self`.
    unsafe fn add(
        &self,
        name: &CStr,
        mode: bindings::umode_t,
        data: *mut c_void,
        operations: &'static bindings::file_operations,
    ) -> Result {
        let directory = Entry::find(&self.name, Some(&self.parent))?;
        // SAFETY: The name is a string, we hold a reference of the directory, and the caller
        // answers for the data.
        let dentry = unsafe {
            bindings::debugfs_create_file_full(
                name.as_char_ptr(),
                mode,
                directory.0.as_ptr(),
                data,
                ptr::null(),
                operations,
            )
        };
        from_err_ptr(dentry)?;
        Ok(())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // SAFETY: The name is a string, and we hold a reference of the parent. If somebody removed
        // the parent, the directory is not found.
        unsafe {
            bindings::debugfs_lookup_and_remove(self.name.as_char_ptr(), self.parent.0.as_ptr())
        };
    }
}

/// An entry of debugfs.
///
/// # Invariants
///
/// One reference of the entry is ours.
struct Entry(NonNull<bindings::dentry>);

// SAFETY: Entries may be used by any thread; debugfs locks.
unsafe impl Send for Entry {}
// SAFETY: As above.
unsafe impl Sync for Entry {}

impl Entry {
    /// The entry `name` in `parent`, or in the root.
    fn find(name: &CStr, parent: Option<&Self>) -> Result<Self> {
        let parent = parent.map_or(ptr::null_mut(), |parent| parent.0.as_ptr());
        // SAFETY: The name is a string, and a parent is alive, as its reference is ours.
        let dentry = unsafe { bindings::debugfs_lookup(name.as_char_ptr(), parent) };
        // INVARIANT: The lookup took a reference.
        NonNull::new(dentry).map(Self).ok_or(ENOENT)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::dput(self.0.as_ptr()) };
    }
}
