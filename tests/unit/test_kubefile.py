import pytest

from appliance.errors import RecipeError
from appliance.recipe.instructions import Instruction
from appliance.recipe.kubefile import Kubefile, parse


def read(text: str) -> Kubefile:
    return parse(text, source="Kubefile")


def after_from(text: str) -> Instruction:
    return read(f"FROM scratch\n{text}").instructions[1]


def test_instructions_carry_their_lines_flags_and_forms() -> None:
    recipe = read('# a comment\nfrom scratch\n\ncopy --chmod=755 a \\\n  # inside\n\n  b/\nCMD ["a b", "c"]\n')
    assert [(i.keyword, i.line, i.text, i.words, i.flags) for i in recipe.instructions] == [
        ("FROM", 2, "scratch", None, ()),
        ("COPY", 4, "a   b/", None, (("chmod", "755"),)),
        ("CMD", 8, '["a b", "c"]', ("a b", "c"), ()),
    ]


def test_a_byte_order_mark_and_windows_line_ends_are_accepted() -> None:
    recipe = read("\ufeffFROM scratch\r\nRUN a \\\r\n && b\r\n")
    assert recipe.instructions[1].text == "a  && b"


def test_the_escape_directive_changes_continuation() -> None:
    recipe = read("# syntax=docker/dockerfile:1\n# escape=`\nFROM scratch\nRUN dir C:\\\nRUN a `\n b\n")
    assert [i.text for i in recipe.instructions] == ["scratch", "dir C:\\", "a  b"]
    assert recipe.escape == "`"


def test_a_directive_after_a_comment_is_a_comment() -> None:
    assert read("# hello\n# escape=`\nFROM scratch\n").escape == "\\"


def test_a_doubled_escape_at_the_end_does_not_continue() -> None:
    assert [i.text for i in read("FROM scratch\nRUN a \\\\\nRUN b\n").instructions] == ["scratch", "a \\\\", "b"]


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("RUN <<EOF\n# no comment\na\\\n\nEOF\n", [("EOF", "# no comment\na\\\n\n", True)]),
        ("RUN <<-'EOF'\n\ta\n\tEOF\n", [("EOF", "a\n", False)]),
        ("RUN cat <<A <<B\n1\nA\n2\nB\n", [("A", "1\n", True), ("B", "2\n", True)]),
        ('RUN echo "<<EOF"\n', []),
    ],
)
def test_here_documents_are_read_as_they_stand(text: str, documents: list[tuple[str, str, bool]]) -> None:
    instruction = after_from(text + "ENV a=b")
    assert [(d.name, d.text, d.expand) for d in instruction.heredocs] == documents


def test_instructions_after_a_here_document_have_their_lines() -> None:
    assert read("FROM scratch\nRUN <<E\na\nb\nE\nENV a=b").instructions[2].line == 6


@pytest.mark.parametrize(
    ("text", "where", "words", "hint"),
    [
        ("", "Kubefile", "no FROM", "FROM scratch"),
        ("# only\n", "Kubefile", "no FROM", "FROM scratch"),
        ("RUN a", "Kubefile:1", "before FROM", "FROM scratch"),
        ("FROM scratch\nCOPPY a b", "Kubefile:2", "no instruction 'COPPY', in 'COPPY a b'", "did you mean COPY?"),
        ("FROM scratch\n\nXYZZY", "Kubefile:3", "no instruction", "known are"),
        ("FROM scratch\nCOPY a", "Kubefile:2", "COPY needs 2 words behind it, in 'COPY a'", "expected COPY"),
        ("FROM scratch\nRUN", "Kubefile:2", "RUN needs something", "expected RUN"),
        ("FROM", "Kubefile:1", "FROM needs something", "expected FROM"),
        ("FROM a b", "Kubefile:1", "FROM takes an image", "expected FROM"),
        ("FROM scratch\nCOPY --form=x a b", "Kubefile:2", "no flag --form", "--from"),
        ("FROM scratch\nRUN <<EOF\na\n", "Kubefile:2", "EOF has no end", "end it with EOF"),
        ("FROM scratch\nLAUNCH a", "Kubefile:2", "there is no app a", "declare it with APP"),
        ("FROM scratch\nAPP a local://x\nLAUNCH b", "Kubefile:3", "there is no app b", "there are: a"),
        ('FROM scratch\nAPPCMDS a ["x"]', "Kubefile:2", "there is no app a", "declare it with APP"),
        ("FROM scratch\nAPPCMDS a x", "Kubefile:2", "APPCMDS takes a name and a JSON list", "expected APPCMDS"),
        ("FROM scratch\nCMDS x", "Kubefile:2", "CMDS takes a JSON list", "expected CMDS"),
        ("FROM x\nAPP a local://x\nCNI a local://y", "Kubefile:3", "the app a is here already", "its own name"),
        ("FROM x\nAPP a", "Kubefile:2", "APP needs 2 words", "expected APP NAME SCHEME://PATH"),
        ('FROM x\nLAUNCH a\nCMDS ["b"]', "Kubefile:3", "LAUNCH and CMDS exclude each other", "keep one"),
        ("FROM x\nLAUNCH a\nENV a=b", "Kubefile:2", "LAUNCH is not the last instruction", "move it to the end"),
        ('FROM x\nCMDS ["a"]\nENV a=b', "Kubefile:2", "CMDS is not the last instruction", "move it to the end"),
        ("FROM x # the base", "Kubefile:1", "FROM takes an image alone", "a comment on a line of its own"),
        ('FROM x\nLAUNCH ["a"]\nLAUNCH ["b"]', "Kubefile:3", "a second time", "keep one"),
        ('FROM x\nCMD a\nLAUNCH ["b"]', "Kubefile:3", "exclude each other", "keep one"),
        ("FROM scratch\nRUN a\0", "Kubefile:2", "holds a NUL", ""),
        ("# escape=x\nFROM scratch", "Kubefile:1", "cannot be the escape character", "expected \\ or `"),
        ("# escape=`\n# escape=`\nFROM scratch", "Kubefile:2", "twice", "keep one"),
    ],
)
def test_mistakes_get_line_text_and_what_was_expected(text: str, where: str, words: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(text)
    assert caught.value.where == where
    assert words in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "line", ["EXPOSE 80", "USER app", "VOLUME /data", 'SHELL ["sh"]', "STOPSIGNAL 9", "ENTRYPOINT a"]
)
def test_what_a_cluster_image_does_not_use_is_accepted_with_a_warning(line: str) -> None:
    (warning,) = read(f"FROM scratch\n{line}").warnings
    assert warning.startswith(f"Kubefile:2: {line.split(maxsplit=1)[0]} is kept")


def test_a_list_that_is_not_json_is_a_shell_command_with_a_warning() -> None:
    recipe = read("FROM scratch\nCMD ['a', 'b']")
    assert recipe.instructions[1].words is None
    assert "looks like a JSON list" in recipe.warnings[0]
