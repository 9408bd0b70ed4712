import Foundation

/// What this process has used.
struct ProcessUsage {
    /// Processor time since its start, of all threads, in nanoseconds.
    let processor: UInt64
    /// Bytes of memory that it occupies now.
    let memory: UInt64

    static func now() -> ProcessUsage {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return ProcessUsage(
            processor: UInt64(max(0, time.tv_sec)) * 1_000_000_000 + UInt64(max(0, time.tv_nsec)),
            memory: residentBytes())
    }

    /// The second number of `/proc/self/statm`, in pages; 0 where there is none.
    private static func residentBytes() -> UInt64 {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
            let pages = text.split(separator: " ").dropFirst().first.flatMap({ UInt64($0) })
        else { return 0 }
        return pages * UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
    }
}
