import Foundation

// Measures what a session makes of a long path, and prints a table, or with --json one object.
//
//   path-bench FOLDER-OF-THE-PROGRAMS [--json] [--runs N] [--seconds N] [--rtt MS] [--rate MBIT] [CASE…]
//
// The same program is also each of the two peers (`path-bench node URL`): see Node.swift.

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == "node" {
    runNode(url: arguments.count > 1 ? arguments[1] : "")
} else {
    do {
        let options = try BenchOptions(arguments)
        let report = await Bench(options).run()
        print(options.wantsJSON ? report.json : report.table)
        exit(report.failures.isEmpty ? 0 : 1)
    } catch {
        FileHandle.standardError.write(Data("path-bench: \(error)\n".utf8))
        exit(2)
    }
}
