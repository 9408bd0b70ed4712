import FuzzTargets
import Glibc

// The door through which libFuzzer comes in; its `main` is in the fuzzer's runtime library. The environment says what to do:
//
//   SOTTO_FUZZ_TARGET   the target
//   SOTTO_FUZZ_SEEDS    a folder: write the target's seeds into it, one file each, and end
//   SOTTO_FUZZ_LIST     set: print name and longest input of every target, one a line, and end

/// The target that the environment names, chosen once.
private let target: FuzzTarget? = environment("SOTTO_FUZZ_TARGET").flatMap(FuzzTarget.named)

private func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}

/// What libFuzzer calls for each input. A finding ends the process, which makes libFuzzer keep the input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let target else {
        print("SOTTO_FUZZ_TARGET must be one of: \(FuzzTarget.all.map(\.name).joined(separator: " "))")
        exit(64)
    }
    restartFixedRandomness()
    do {
        try target.run(Array(UnsafeBufferPointer(start: data, count: count)))
    } catch {
        print("\(target.name): \(error)")
        fflush(nil)
        abort()
    }
    return 0
}

/// What libFuzzer calls first.
@_cdecl("LLVMFuzzerInitialize")
public func fuzzInitialize(_ count: UnsafeMutableRawPointer?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    installFixedRandomness()
    if environment("SOTTO_FUZZ_LIST") != nil {
        for target in FuzzTarget.all { print(target.name, target.maximumLength) }
        exit(0)
    }
    guard let folder = environment("SOTTO_FUZZ_SEEDS"), let target else { return 0 }
    do {
        for (index, seed) in try target.seeds().enumerated() {
            guard let file = fopen("\(folder)/seed-\(index)", "w") else { exit(1) }
            fwrite(seed, 1, seed.count, file)
            fclose(file)
        }
    } catch {
        print("\(target.name): no seeds: \(error)")
        exit(1)
    }
    exit(0)
}
