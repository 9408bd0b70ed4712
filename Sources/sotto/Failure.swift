import ArgumentParser
import Identity
import Messenger
import Vault
import Wire

/// An error as the user meets it: a code for scripts, a sentence for people, exit status 1.
struct Failure: Error {
    let code: String
    let message: String
    /// With the code `storage`: what is the matter with the vault, in one word for scripts.
    var cause: String?

    init(_ code: String, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// What went wrong, in the user's words.
    init(_ error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as VaultError:
            self.init(
                Self.code(error), DisplayText.harmless(error.description), cause: Self.cause(error))
        case let error as HomeError: self.init(Self.code(error), error.description)
        case let error as ContactError: self.init("contact", error.description)
        case SendError.contact(let error): self.init("contact", error.description)
        case let error as SendError: self.init("message", error.description)
        case let error as ServerUnavailable: self.init("server", error.reason)
        case let error as InviteError: self.init("invite", Self.explain(error))
        case let error as PassphraseError: self.init("passphrase", DisplayText.harmless(error.description))
        default: self.init("failed", DisplayText.harmless("\(error)"))
        }
    }

    private static func explain(_ error: InviteError) -> String {
        switch error {
        case .notAnInvite: "this is not an invite: one looks like sotto:sotto1…@HOST?t=…"
        case .peerID(.mistyped):
            "a character of this invite's peer id was changed: copy it again, every character counts"
        case .peerID: "the peer id in this invite is not one: copy it again, every character counts"
        case .server: "the server in this invite is not one: copy it again, every character counts"
        case .token: "the token in this invite is incomplete: copy it again, every character counts"
        case .name: "the name in this invite cannot be read: copy it again, every character counts"
        case .malformed: "this invite is damaged or incomplete: copy it again, in quotes, every character counts"
        }
    }

    private static func code(_ error: HomeError) -> String {
        switch error {
        case .notInitialized: "not-initialized"
        case .alreadyInitialized: "already-initialized"
        case .passphraseNeeded, .wrongPassphrase: "passphrase"
        case .exposed: "exposed"
        case .damaged: "damaged"
        case .newerVersion: "newer-version"
        case .system: "system"
        case .inUse: "in-use"
        }
    }

    private static func code(_ error: VaultError) -> String {
        switch error {
        case .newerVersion: "newer-version"
        case .exists: "exists"
        case .wrongPassphrase: "passphrase"
        case .notAnExport: "archive"
        default: cause(error) == nil ? "failed" : "storage"
        }
    }

    /// What is the matter with the vault; `nil` when nothing is.
    static func cause(_ error: VaultError) -> String? {
        switch error {
        case .diskFull: "disk-full"
        case .readOnly: "read-only"
        case .missing, .wrongIdentity, .damaged: "damaged"
        case .locked: "busy"
        case .system, .outOfMemory, .closed, .overloaded, .superseded: "system"
        case .newerVersion, .exists, .wrongPassphrase, .notAnExport, .rejected, .outOfRange, .duplicate, .unknown: nil
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
