/// Something that reads bytes from outside, with what must hold whatever the bytes are.
package struct FuzzTarget: Sendable {
    /// How it is called on the command line and in the corpus.
    package let name: String
    /// Valid inputs, to begin with.
    package let seeds: @Sendable () throws -> [[UInt8]]
    /// Reads an input. Returns if it was refused or if everything holds; throws `FuzzFinding` if something does not.
    package let run: @Sendable ([UInt8]) throws(FuzzFinding) -> Void

    /// All targets.
    package static let all =
        [signaling, rendezvous, conversation, candidate, stun] + [invite, keyFile, display] + [
            noise, envelope, session,
        ]

    /// The target of this name.
    package static func named(_ name: String) -> FuzzTarget? {
        all.first { $0.name == name }
    }
}

/// A property that an input broke.
package struct FuzzFinding: Error, CustomStringConvertible {
    package let description: String
}

/// Throws unless the condition holds.
func hold(_ condition: Bool, _ description: @autoclosure () -> String) throws(FuzzFinding) {
    guard condition else { throw FuzzFinding(description: description()) }
}
