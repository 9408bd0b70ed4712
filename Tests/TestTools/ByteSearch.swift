import CTestTools
package import Foundation

/// Looks for bytes in bytes, fast also where nothing is optimised.
package enum ByteSearch {
    /// Where `needle` occurs, at most `limit` times.
    package static func places(of needle: Data, in bytes: Data, limit: Int = 100) -> [Int] {
        bytes.withUnsafeBytes { bytes in
            needle.withUnsafeBytes { needle in
                var places: [Int] = []
                var start = 0
                while places.count < limit {
                    let place = test_find(bytes.baseAddress, bytes.count, start, needle.baseAddress, needle.count)
                    guard place >= 0 else { break }
                    places.append(place)
                    start = place + 1
                }
                return places
            }
        }
    }
}
