import Foundation

/// A process on this machine, seen from outside (proc(5)).
struct ServerProcess {
    let id: Int

    /// CPU time of all its threads, in seconds: fields 14 and 15 of `stat`.
    func cpuSeconds() throws(LoadError) -> Double {
        // The name before may contain anything, but ends with the last parenthesis.
        guard let text = contents("stat"), let end = text.lastIndex(of: ")") else { throw .process(id) }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw .process(id)
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Resident memory in bytes: `VmRSS` of `status`.
    func residentBytes() throws(LoadError) -> Int {
        guard let line = contents("status")?.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
            let kibibytes = line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap({ Int($0) })
        else { throw .process(id) }
        return kibibytes * 1024
    }

    private func contents(_ name: String) -> String? {
        try? String(contentsOfFile: "/proc/\(id)/\(name)", encoding: .utf8)
    }
}
