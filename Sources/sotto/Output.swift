/// What a command says: JSON events or sentences, to standard output; errors and notices of the text form to standard error.
struct Output: Sendable {
    let isJSON: Bool

    func event(_ line: @autoclosure () -> JSONLine) {
        if isJSON { StandardOutput.write(line().line + "\n") }
    }

    /// A line for people; nothing in JSON mode.
    func say(_ text: @autoclosure () -> String) {
        if !isJSON { StandardOutput.write(text() + "\n") }
    }

    /// A remark for people that is not the command's result.
    func notice(_ text: @autoclosure () -> String) {
        if !isJSON { StandardError.write(text() + "\n") }
    }

    /// - Parameter ref: of the line of input that was refused.
    func failure(_ failure: Failure, ref: String? = nil) {
        event(
            JSONLine(event: "error").adding("code", .text(failure.code)).adding("message", .text(failure.message))
                .adding("cause", failure.cause.map { .text($0) }).adding("ref", ref.map { .text($0) }))
        notice("sotto: \(failure.message)")
    }
}
