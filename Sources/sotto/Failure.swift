import ArgumentParser
import Messenger
import Wire

/// An error as the user meets it: a code for scripts, a sentence for people, exit status 1.
struct Failure: Error {
    let code: String
    let message: String

    init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }

    /// What went wrong, in the user's words.
    init(_ error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as HomeError: self.init(Self.code(error), error.description)
        case let error as ContactError: self.init("contact", error.description)
        case let error as SendError: self.init("message", error.description)
        case let error as ServerUnavailable: self.init("server", error.reason)
        case let error as PassphraseError: self.init("passphrase", "\(error)")
        default: self.init("failed", DisplayText.harmless("\(error)"))
        }
    }

    private static func code(_ error: HomeError) -> String {
        switch error {
        case .notInitialized: "not-initialized"
        case .alreadyInitialized: "already-initialized"
        case .passphraseNeeded, .wrongPassphrase: "passphrase"
        case .damaged: "damaged"
        case .newerVersion: "newer-version"
        case .system: "system"
        case .inUse: "in-use"
        }
    }
}

extension CommonOptions {
    /// Runs a command's work: what it throws is told as the user asked for (JSON or text), with exit status 1.
    func run(_ body: (Output) async throws -> Void) async throws {
        let output = output
        do {
            try await body(output)
        } catch let exit as ExitCode {
            throw exit
        } catch let error as ValidationError {
            throw error
        } catch {
            output.failure(Failure(error))
            throw ExitCode(1)
        }
    }
}
