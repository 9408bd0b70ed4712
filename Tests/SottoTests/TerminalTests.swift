import Foundation
import Glibc
import NIOConcurrencyHelpers
import TestTools
import Testing

@testable import sotto

/// Real terminal devices. One after the other, because a process has one terminal to restore.
@Suite(.serialized) struct TerminalTests {
    private static let environment = ["TERM": "xterm", "NO_COLOR": "1"]

    // MARK: RawTerminal

    @Test func switchesToRawModeAndBack() async throws {
        let pty = try PseudoTerminal(columns: 100)
        let terminal = RawTerminal(
            input: pty.descriptor, output: pty.descriptor, environment: Self.environment)
        #expect(terminal.traits.isInteractive)
        #expect(terminal.traits.columns == 100)
        #expect(pty.mode == (false, false, false))
        terminal.close()
        terminal.close()
        #expect(pty.mode == (true, true, true))
        #expect(await pty.output(until: "\u{1B}[?25h") == "\u{1B}[?2004h\u{1B}[?2004l\u{1B}[0m\u{1B}[?25h")
    }

    @Test func carriesAWholeChat() async throws {
        let pty = try PseudoTerminal(columns: 60)
        let terminal = RawTerminal(
            input: pty.descriptor, output: pty.descriptor, environment: Self.environment)
        let screen = ChatScreen(contact: "bob", terminal: terminal)
        #expect(await pty.output(until: "> ").contains("bob"))
        pty.type("grüße\r")
        var inputs = screen.inputs.makeAsyncIterator()
        #expect(await inputs.next() == .line("grüße"))
        screen.show(incoming: "hello", from: "bob")
        #expect(await pty.output(until: "hello").contains("bob: hello"))
        pty.resize(columns: 30)
        kill(getpid(), SIGWINCH)
        #expect(await pty.output(until: "…").contains("── bob"))
        pty.type("\u{3}")
        #expect(await inputs.next() == .interrupt)
        kill(getpid(), SIGTERM)
        #expect(await inputs.next() == .interrupt)
        pty.type("\u{4}")
        #expect(await inputs.next() == .endOfInput)
        screen.close()
        #expect(await inputs.next() == nil)
        #expect(pty.mode == (true, true, true))
    }

    @Test func leavesADumbTerminalAlone() throws {
        let pty = try PseudoTerminal()
        let terminal = RawTerminal(
            input: pty.descriptor, output: pty.descriptor, environment: ["TERM": "dumb"])
        #expect(!terminal.traits.isInteractive)
        #expect(pty.mode == (true, true, true))
        terminal.close()
    }

    @Test func readsAPipeToItsEnd() async throws {
        let pipe = Pipe()
        let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer { Glibc.close(null) }
        let terminal = RawTerminal(
            input: pipe.fileHandleForReading.fileDescriptor, output: null, environment: Self.environment)
        let screen = ChatScreen(contact: "bob", terminal: terminal)
        try pipe.fileHandleForWriting.write(contentsOf: Data("one\ntwo".utf8))
        try pipe.fileHandleForWriting.close()
        var received: [ChatInput] = []
        for await input in screen.inputs {
            received.append(input)
            if input == .endOfInput { screen.close() }
        }
        #expect(received == [.line("one"), .line("two"), .endOfInput])
    }

    // MARK: Ends of the process

    #if compiler(>=6.2)
        /// What the child processes below do: take the terminal over that the environment names.
        private static func takeOver() {
            let path = ProcessInfo.processInfo.environment["SOTTO_TEST_TERMINAL"] ?? ""
            let descriptor = open(path, O_RDWR | O_NOCTTY)
            let terminal = RawTerminal(input: descriptor, output: descriptor, environment: environment)
            // Never closed, as in a program that dies.
            withExtendedLifetime(Unmanaged.passRetained(terminal)) {}
            terminal.write("taken")
        }

        private func expectRestored(_ body: () async -> Void) async throws {
            let pty = try PseudoTerminal()
            setenv("SOTTO_TEST_TERMINAL", pty.path, 1)
            await body()
            #expect(await pty.output(until: "\u{1B}[?25h").hasSuffix("taken\u{1B}[?2004l\u{1B}[0m\u{1B}[?25h"))
            #expect(pty.mode == (true, true, true))
        }

        @Test func restoresTheTerminalAtExit() async throws {
            try await expectRestored {
                await #expect(processExitsWith: .exitCode(3)) {
                    TerminalTests.takeOver()
                    exit(3)
                }
            }
        }

        @Test func restoresTheTerminalWhenTerminated() async throws {
            try await expectRestored {
                await #expect(processExitsWith: .signal(SIGTERM)) {
                    TerminalTests.takeOver()
                    kill(getpid(), SIGTERM)
                    while true { pause() }
                }
            }
        }

        @Test func restoresTheTerminalWhenTheProgramTraps() async throws {
            try await expectRestored {
                await #expect(processExitsWith: .failure) {
                    TerminalTests.takeOver()
                    let empty: [Int] = []
                    print(empty[Int.random(in: 1...2)])
                }
            }
        }

        @Test func restoresTheTerminalWhenTheProgramAborts() async throws {
            try await expectRestored {
                await #expect(processExitsWith: .signal(SIGABRT)) {
                    TerminalTests.takeOver()
                    abort()
                }
            }
        }
    #endif

    // MARK: Passphrases

    /// Asks in a thread of its own and returns what was read, or the error.
    private func ask(
        _ source: PassphraseSource, terminal: String, warn: @escaping @Sendable (String) -> Void = { _ in }
    ) async -> Result<String, PassphraseError> {
        await withCheckedContinuation { continuation in
            let thread = Thread {
                do throws(PassphraseError) {
                    let passphrase = try PassphrasePrompt.read(source, terminal: terminal, warn: warn)
                    let text = passphrase.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                    continuation.resume(returning: .success(text))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            thread.start()
        }
    }

    @Test(
        arguments: [
            ("secret\r", .success("secret")),
            ("pass wörd 漢字\n", .success("pass wörd 漢字")),
            ("secrex\u{7F}t\r", .success("secret")),
            ("grü\u{7F}\u{7F}een\r", .success("geen")),
            ("wrong\u{15}right\r", .success("right")),
            ("\u{7F}\u{7F}a\r", .success("a")),
            ("\r", .failure(.empty)),
            ("half\u{3}", .failure(.cancelled)),
            ("\u{4}", .failure(.cancelled)),
        ] as [(String, Result<String, PassphraseError>)])
    func asksForAPassphraseWithoutShowingIt(typed: String, result: Result<String, PassphraseError>) async throws {
        let pty = try PseudoTerminal()
        async let answer = ask(.prompt("Passphrase", confirmed: false), terminal: pty.path)
        let question = await pty.output(until: "Passphrase: ")
        #expect(pty.mode == (false, false, false))
        pty.type(typed)
        #expect(await answer == result)
        let rest = await pty.output(until: "\n")
        #expect(question + rest == "Passphrase: \r\n")
        #expect(pty.mode == (true, true, true))
    }

    @Test(arguments: [("secret", true), ("Secret", false), ("secret2", false), ("", false)])
    func asksTwiceForANewPassphrase(second: String, accepted: Bool) async throws {
        let pty = try PseudoTerminal()
        async let answer = ask(.prompt("New passphrase", confirmed: true), terminal: pty.path)
        _ = await pty.output(until: "New passphrase: ")
        pty.type("secret\r")
        _ = await pty.output(until: "(again): ")
        pty.type(second + "\r")
        let expected: Result<String, PassphraseError> =
            accepted ? .success("secret") : .failure(second.isEmpty ? .empty : .mismatch)
        #expect(await answer == expected)
    }

    @Test func refusesAnEndlessPassphrase() async throws {
        let pty = try PseudoTerminal()
        async let answer = ask(.prompt("P", confirmed: false), terminal: pty.path)
        _ = await pty.output(until: "P: ")
        pty.type(String(repeating: "x", count: Passphrase.capacity + 1))
        #expect(await answer == .failure(.tooLong))
        #expect(pty.mode.echo)
    }

    @Test func saysThatThereIsNoTerminal() async {
        #expect(
            await ask(.prompt("P", confirmed: false), terminal: "/dev/null")
                == .failure(.noTerminal(advice: PassphraseError.advice)))
        #expect(
            await ask(.prompt("P", confirmed: false), terminal: "/nonexistent")
                == .failure(.noTerminal(advice: PassphraseError.advice)))
    }

    @Test(
        arguments: [
            ("secret\n", .success("secret")), ("secret", .success("secret")), ("secret\r\nmore\n", .success("secret")),
            (" with blanks \n", .success(" with blanks ")), ("", .failure(.empty)), ("\nsecret\n", .failure(.empty)),
            (String(repeating: "x", count: 1025), .failure(.tooLong)),
        ] as [(String, Result<String, PassphraseError>)])
    func readsTheFirstLineOfAFile(content: String, result: Result<String, PassphraseError>) async throws {
        let folder = try TemporaryFolder("passphrase")
        defer { withExtendedLifetime(folder) {} }
        let path = folder.file("passphrase")
        for (mode, warnings) in [(0o600, 0), (0o640, 1), (0o604, 1)] {
            let attributes: [FileAttributeKey: Any] = [.posixPermissions: mode]
            #expect(FileManager.default.createFile(atPath: path, contents: Data(content.utf8), attributes: attributes))
            let warned = Counter()
            let answer = await ask(.file(path), terminal: "", warn: { _ in warned.increment() })
            #expect(answer == result)
            #expect(warned.value == warnings)
            try FileManager.default.removeItem(atPath: path)
        }
    }

    @Test func namesTheFileItCannotRead() async {
        #expect(
            await ask(.file("/nonexistent/file"), terminal: "")
                == .failure(.unreadable(path: "/nonexistent/file", errno: ENOENT)))
        #expect(
            await ask(.descriptor(987), terminal: "") == .failure(.unreadable(path: "descriptor 987", errno: EBADF)))
    }

    @Test func readsADescriptorUpToTheEndOfTheLine() async throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        _ = write(ends[1], "secret\nnext", 11)
        #expect(await ask(.descriptor(ends[0]), terminal: "") == .success("secret"))
        close(ends[1])
    }
}

private final class Counter: Sendable {
    private let count = NIOLockedValueBox(0)
    var value: Int { count.withLockedValue { $0 } }
    func increment() { count.withLockedValue { $0 += 1 } }
}
