//! Process-wide services: limits, daemonizing, pid file, OOM score and priority, processors, and
//! the time and memory used.
//!
//! Thin safe wrappers over libc and /proc, called by `main` at start-up and by INFO. Where another
//! system lacks a Linux feature the function returns "unsupported" and the caller carries on.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

/// Raises the limit of open files to `wanted` or as near as the system allows; the limit then in
/// force. An unlimited or higher limit is left alone.
pub fn adjust_open_files(wanted: u64) -> io::Result<u64> {
    /// The step by which each further attempt backs off, as Redis does.
    const STEP: u64 = 16;
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place for the result.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let before = limit.rlim_cur;
    let mut best = wanted;
    while best > before {
        let target = libc::rlimit {
            rlim_cur: best,
            rlim_max: best.max(limit.rlim_max),
        };
        // SAFETY: `target` is a valid limit to read.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &target) } == 0 {
            return Ok(best);
        }
        // Without the right to go beyond the hard limit, that limit is the next candidate.
        best = if best > limit.rlim_max {
            limit.rlim_max
        } else {
            best.saturating_sub(STEP)
        };
    }
    Ok(before)
}

/// Goes into the background: the parent exits, the child leads a session of its own and its three
/// standard streams are the null device. Call before threads or sockets exist.
pub fn daemonize() -> io::Result<()> {
    // SAFETY: no other thread exists yet, so the child may do anything; the descriptors are ours.
    unsafe {
        match libc::fork() {
            -1 => return Err(io::Error::last_os_error()),
            0 => {}
            _ => libc::_exit(0),
        }
        libc::setsid();
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        if null >= 0 {
            for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
                libc::dup2(null, stream);
            }
            if null > libc::STDERR_FILENO {
                libc::close(null);
            }
        }
    }
    Ok(())
}

/// Writes our process id and a newline.
pub fn write_pid_file(path: &Path) -> io::Result<()> {
    fs::write(path, format!("{}\n", std::process::id()))
}

pub fn remove_pid_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Our `/proc/self/oom_score_adj`.
pub fn oom_score_adj() -> io::Result<i32> {
    let text = fs::read_to_string("/proc/self/oom_score_adj")?;
    text.trim()
        .parse()
        .map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Tells the kernel how readily to kill us when memory runs out.
pub fn set_oom_score_adj(value: i32) -> io::Result<()> {
    fs::write("/proc/self/oom_score_adj", value.to_string())
}

/// The same for a child.
pub fn set_oom_score_adj_of(pid: i32, value: i32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/oom_score_adj"), value.to_string())
}

/// Whether the kernel gives huge pages to all memory, requested or not.
pub fn huge_pages_always() -> bool {
    fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
        .is_ok_and(|text| text.contains("[always]"))
}

/// The processors a list such as `0,2-3` or `0-7:2` names; `None` if it is malformed.
pub fn parse_cpu_list(list: &str) -> Option<Vec<usize>> {
    /// More than any machine has; keeps a typing error from growing the set.
    const MAX_CPU: usize = 4096;
    let mut cpus = Vec::new();
    for part in list.split(',') {
        let (range, step) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let first: usize = first.trim().parse().ok()?;
        let last: usize = last.trim().parse().ok()?;
        let step: usize = step.trim().parse().ok()?;
        if step == 0 || last < first || last >= MAX_CPU {
            return None;
        }
        cpus.extend((first..=last).step_by(step));
    }
    Some(cpus)
}

/// Binds the calling thread to the processors of a list.
pub fn set_cpu_affinity(list: &str) -> io::Result<()> {
    let cpus = parse_cpu_list(list).ok_or(io::ErrorKind::InvalidInput)?;
    #[cfg(target_os = "linux")]
    {
        // SAFETY: zeroed bytes are an empty set; CPU_SET ignores nothing, so the range is checked.
        let status = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            for cpu in cpus
                .into_iter()
                .filter(|&cpu| cpu < libc::CPU_SETSIZE as usize)
            {
                libc::CPU_SET(cpu, &mut set);
            }
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
        };
        if status == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = cpus;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The owner of the processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Process,
    /// Children that have ended and been waited for.
    Children,
    /// The calling thread alone.
    Thread,
}

/// Processor time in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    pub user_us: u64,
    pub system_us: u64,
}

/// The processor time used so far.
pub fn cpu_time(whose: Whose) -> CpuTime {
    let usage = resource_usage(match whose {
        Whose::Process => libc::RUSAGE_SELF,
        Whose::Children => libc::RUSAGE_CHILDREN,
        #[cfg(target_os = "linux")]
        Whose::Thread => libc::RUSAGE_THREAD,
        #[cfg(not(target_os = "linux"))]
        Whose::Thread => libc::RUSAGE_SELF,
    });
    let us = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    CpuTime {
        user_us: us(usage.ru_utime),
        system_us: us(usage.ru_stime),
    }
}

fn resource_usage(who: i32) -> libc::rusage {
    // SAFETY: zeroed bytes are a valid rusage; the call overwrites them, or leaves zeros.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &mut usage);
        usage
    }
}

/// `Linux 6.1.0 x86_64`: system, release, machine.
pub fn uname() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(read_uname)
}

fn read_uname() -> String {
    let word = |field: &[libc::c_char]| -> String {
        let bytes = field.iter().map(|&c| c as u8).take_while(|&b| b != 0);
        String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
    };
    // SAFETY: zeroed bytes are a valid utsname, which the call fills with strings.
    let name = unsafe {
        let mut name: libc::utsname = std::mem::zeroed();
        libc::uname(&mut name);
        name
    };
    format!(
        "{} {} {}",
        word(&name.sysname),
        word(&name.release),
        word(&name.machine)
    )
}

fn page_size() -> u64 {
    // SAFETY: reads a constant of the system.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as u64 }
}

/// Bytes of ours that are in memory.
pub fn rss_bytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    match pages {
        Some(pages) => pages * page_size(),
        // Without /proc the peak is the best there is.
        None => resource_usage(libc::RUSAGE_SELF).ru_maxrss as u64 * 1024,
    }
}

/// Bytes of memory the machine has.
pub fn total_system_memory() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| {
        // SAFETY: reads a constant of the system.
        let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
        u64::try_from(pages).unwrap_or(0) * page_size()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists() {
        assert_eq!(parse_cpu_list("0,2-3"), Some(vec![0, 2, 3]));
        assert_eq!(parse_cpu_list("0-7:2"), Some(vec![0, 2, 4, 6]));
        assert_eq!(parse_cpu_list("1"), Some(vec![1]));
        for bad in ["", "a", "1-", "3-1", "0-7:0", "1,,2", "0-99999999"] {
            assert_eq!(parse_cpu_list(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_process_knows_itself() {
        assert!(rss_bytes() > 100_000);
        assert!(total_system_memory() > rss_bytes());
        assert_eq!(uname().split(' ').count(), 3);
        let before = cpu_time(Whose::Process);
        assert!(cpu_time(Whose::Thread).user_us <= cpu_time(Whose::Process).user_us + 1_000_000);
        let after = cpu_time(Whose::Process);
        assert!(before.user_us + before.system_us <= after.user_us + after.system_us);
        let _ = (
            cpu_time(Whose::Children),
            oom_score_adj(),
            huge_pages_always(),
        );
    }

    #[test]
    fn a_modest_limit_is_granted() {
        let now = adjust_open_files(0).expect("limits can be read");
        assert_eq!(adjust_open_files(now).expect("limits can be read"), now);
    }

    #[test]
    fn pid_files() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("redwheel.pid");
        write_pid_file(&path).expect("the directory is writable");
        let text = fs::read_to_string(&path).expect("it was written");
        assert_eq!(text, format!("{}\n", std::process::id()));
        remove_pid_file(&path).expect("it is there");
        assert!(remove_pid_file(&path).is_err());
    }
}
