import FuzzTargets
import Glibc

/// The target that the environment names, chosen once.
private let target: FuzzTarget? = getenv("SOTTO_FUZZ_TARGET").flatMap { FuzzTarget.named(String(cString: $0)) }

/// What libFuzzer calls for each input. A finding ends the process, which makes libFuzzer keep the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let target else {
        print("SOTTO_FUZZ_TARGET must be one of: \(FuzzTarget.all.map(\.name).joined(separator: " "))")
        exit(64)
    }
    do {
        try target.run(Array(UnsafeBufferPointer(start: data, count: count)))
    } catch {
        print("\(target.name): \(error)")
        abort()
    }
    return 0
}

/// What libFuzzer calls first. With SOTTO_FUZZ_SEEDS, writes the seeds of the target into that folder and ends.
@_cdecl("LLVMFuzzerInitialize")
public func fuzzInitialize(_ count: UnsafeMutableRawPointer?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    guard let folder = getenv("SOTTO_FUZZ_SEEDS").map({ String(cString: $0) }), let target else { return 0 }
    for (index, seed) in ((try? target.seeds()) ?? []).enumerated() {
        let file = fopen("\(folder)/seed-\(index)", "w")
        guard let file else { exit(1) }
        fwrite(seed, 1, seed.count, file)
        fclose(file)
    }
    exit(0)
}
