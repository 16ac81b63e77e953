"""Manifests: validated where they are made, digested byte for byte, written by people."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plasm.errors import InvalidInput, InvalidManifest
from plasm.model import Invocation, Limits, Manifest, Mount, Preopen, Sha256
from plasm.model.documents import manifest_from_json, manifest_from_toml
from plasm.model.manifest import canonical
from plasm.model.schema import manifest_schema

MODULE = Sha256("ab" * 32)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="="), min_size=1, max_size=8)
MANIFESTS = st.builds(
    Manifest,
    module=st.just(MODULE),
    invocation=st.builds(
        Invocation,
        args=st.lists(TEXT, max_size=4),
        env=st.dictionaries(NAMES, TEXT, max_size=4),
        mounts=st.lists(
            st.builds(Mount, st.sampled_from(["/a", "/b/c", "/ü"]), st.booleans()),
            max_size=3,
            unique_by=lambda mount: mount.guest,
        ),
    ),
    limits=st.builds(
        Limits,
        memory=st.integers(65536, 2**32),
        fuel=st.none() | st.integers(1, 2**53 - 1),
        wall_time=st.integers(1, 10**8),
        output=st.integers(0, 2**40),
    ),
    runtime=st.none() | NAMES,
)


@given(MANIFESTS)
def test_the_canonical_form_reads_back_as_the_same_manifest(manifest: Manifest) -> None:
    assert manifest_from_json(canonical(manifest), Sha256("00" * 32)) == manifest


def test_the_canonical_form_is_sorted_compact_and_complete() -> None:
    manifest = Manifest(MODULE, Invocation(["ü"], {"B": "2", "A": "1"}))
    assert canonical(manifest).decode() == (
        '{"clock":0,"deterministic":false,'
        '"invocation":{"args":["ü"],"env":{"A":"1","B":"2"},"mounts":[]},'
        '"limits":{"cpu_time":null,"files":1073741824,"fuel":null,"memory":1073741824,"output":67108864,'
        '"wall_time":300000},'
        f'"module":"{MODULE}","runtime":null,"seed":0}}'
    )


def test_toml_and_json_say_the_same() -> None:
    toml = b"""
        runtime = "wasmtime"
        [invocation]
        args = ["a", "b"]
        env = { LANG = "C" }
        mounts = [{ guest = "/data", read_only = true }]
        [limits]
        memory = "64MiB"
        wall_time = "1.5s"
        output = 10
    """
    document = {
        "runtime": "wasmtime",
        "invocation": {"args": ["a", "b"], "env": {"LANG": "C"}, "mounts": [{"guest": "/data", "read_only": True}]},
        "limits": {"memory": 64 * 2**20, "wall_time": "1500ms", "output": "10B"},
    }
    expected = Manifest(
        MODULE,
        Invocation(["a", "b"], {"LANG": "C"}, [Mount("/data", read_only=True)]),
        Limits(memory=64 * 2**20, wall_time=1500, output=10),
        runtime="wasmtime",
    )
    assert manifest_from_toml(toml, MODULE) == expected
    assert manifest_from_json(json.dumps(document).encode(), MODULE) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[limits]\nmemroy = 1", "limits: there is no field 'memroy' (did you mean 'memory'?)"),
        (
            "nonsense = 1",
            "there is no field 'nonsense' (known are module, invocation, limits, runtime, deterministic, clock, seed)",
        ),
        ("limits = 3", "limits: must be a table, not 3"),
        ('[limits]\nmemory = "12parsecs"', "limits.memory: '12parsecs' is not a size"),
        ("[limits]\nmemory = true", "limits.memory: must be a whole number, not true"),
        ("[limits]\nwall_time = 1.5", "limits.wall_time: must be a whole number, not 1.5"),
        ("[limits]\nwall_time = -5", "2:1: limits.wall_time: limit wall_time = -5 is out of range"),
        ('module = "x"', "'x' is not a SHA-256 digest"),
        ('[invocation]\nargs = "abc"', "invocation.args: must be a list, not 'abc'"),
        ("[invocation]\nargs = [1]", "invocation.args[0]: must be text, not 1"),
        ('[invocation]\nargs = ["\\u0000"]', "argument 1 contains a NUL character"),
        ("[invocation.env]\nA = 1", "invocation.env.A: must be text, not 1"),
        ('[[invocation.mounts]]\nguest = "data"', "'data' is not an absolute guest path"),
        ('[[invocation.mounts]]\nguest = "/x"\nreadonly = true', "did you mean 'read_only'?"),
        ("[[invocation.mounts]]\nread_only = true", "the field 'guest' is missing"),
        ("[limits]\nmemory = 1\nmemory = 2\n# end", "3:11: not TOML: cannot overwrite a value"),
        ("memory = 1", "1:1: there is no field 'memory' (it belongs below [limits])"),
        ("[limits]\nruntime = 'a'", "2:1: limits: there is no field 'runtime' (it belongs at the top"),
        ("[limits]\nfuel = 99999999999999999999", "2:1: limits.fuel: must be a whole number below 2^63"),
        ("[limits]\nfuel = 1979-05-27", "limits.fuel: must be a whole number, not 1979-05-27"),
        ("[invocation]\nargs = [[]]", "2:9: invocation.args[0]: must be text, not a list"),
        ("[invocation.env]\nA = [1]", "2:1: invocation.env.A: must be text, not a list"),
        ("[[limits]]", "1:3: limits: must be a table, not a list"),
        ("runtime = 'a\\u0000'".replace("'", '"'), "runtime contains a NUL character"),
        ("runtime = '" + "a" * 257 + "'", "a runtime's name takes at most 256 bytes"),
        ("clock = " + "1" * 5000, "1:9: a value of more than 640 characters"),
        ("x = [", "1:6: not TOML: invalid value"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, says: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        manifest_from_toml(text.encode(), MODULE)
    assert says in str(caught.value)


def test_every_mistake_of_a_manifest_is_told() -> None:
    text = "module = 1\n[limits]\nwall_time = 0\nmemroy = 1\noutput = 'a lot'\n[[invocation.mounts]]\n"
    with pytest.raises(InvalidManifest) as caught:
        manifest_from_toml(text.encode(), MODULE, "job.toml")
    assert [(mistake.position, mistake.key) for mistake in caught.value.mistakes] == [
        ((1, 1), "module"),
        ((3, 1), "limits.wall_time"),
        ((4, 1), "limits.memroy"),
        ((5, 1), "limits.output"),
        ((6, 2), "invocation.mounts[0]"),
    ]
    assert str(caught.value) == "job.toml:1:1: module: must be text, not 1; and 4 more"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{\n "limits": }', "2:12: not JSON: expecting value"),
        ("", "1:1: not JSON: expecting value"),
        ("[]", "it must be a table of fields"),
        ('{"limits": {"memory": 1, "memory": 2}}', "not JSON: the field 'memory' occurs more than once"),
        ('{"clock": NaN}', "not JSON: NaN is not a JSON value"),
        ('{"clock": 1' + "0" * 5000 + "}", "not JSON: a number of 5001 digits"),
        ('{"limits": {"memory": null}}', "limits.memory: must be a whole number, not null"),
        ('{"limits": {"wall_time": 1e3}}', "limits.wall_time: must be a whole number, not 1000.0"),
        ('{"runtime": "\\ud800"}', "runtime is not valid Unicode"),
        ('{"' + "a" * 100_000 + '": 1}', "there is no field 'aaa"),
        ('{"runtime": ["' + "a" * 100_000 + '"]}', "runtime: must be text, not a list"),
        ('{"module": "' + "a" * 100_000 + '"}', "is not a SHA-256 digest"),
    ],
)
def test_a_mistake_in_json_is_told_without_python_and_in_few_words(text: str, says: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        manifest_from_json(text.encode(), MODULE)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_bytes_that_are_not_text_are_no_manifest() -> None:
    for parse in (manifest_from_json, manifest_from_toml):
        with pytest.raises(InvalidManifest, match=r"^2:1: it is not UTF-8 \(save it as UTF-8\)$"):
            parse(b"# a\n# \xff\n", MODULE)


def test_fourteen_thousand_mounts_are_looked_through_once() -> None:
    mounts = [Mount(f"/{number}") for number in range(14_000)]
    assert len(Invocation(mounts=mounts).mounts) == 14_000
    with pytest.raises(InvalidInput, match="the guest path /0 is mounted twice"):
        Invocation(mounts=[*mounts, Mount("/0")])


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["module", "limits", "invocation", "args", "env", "memory"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_bytes_are_a_manifest_or_an_error(data: bytes) -> None:
    for parse in (manifest_from_json, manifest_from_toml):
        with contextlib.suppress(InvalidManifest):
            assert isinstance(parse(data, MODULE), Manifest)


def test_deep_nesting_is_an_error() -> None:
    with pytest.raises(InvalidManifest):
        manifest_from_json(b"[" * 100_000, MODULE)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Invocation(["a\0b"]),
        lambda: Invocation(["\ud800"]),
        lambda: Invocation(["x" * 2**21]),
        lambda: Invocation(env={"A=B": "c"}),
        lambda: Invocation(env={"": "c"}),
        lambda: Invocation(env={"ü": "c"}),
        lambda: Invocation(mounts=[Mount("/a"), Mount("/a")]),
        lambda: Mount("a"),
        lambda: Mount("/a/../b"),
        lambda: Limits(memory=100),
        lambda: Limits(memory=2**33),
        lambda: Limits(fuel=0),
        lambda: Limits(fuel=True),
        lambda: Limits(wall_time=0),
        lambda: Limits(output=-1),
        lambda: Limits(cpu_time=0),
        lambda: Limits(files=-1),
        lambda: Manifest(Sha256("AB" * 32)),
        lambda: Manifest(MODULE, Invocation(mounts=[Mount("/a")]), deterministic=True),
        lambda: Manifest(MODULE, clock=1),
        lambda: Manifest(MODULE, seed=1),
        lambda: Manifest(MODULE, deterministic=True, clock=-1),
        lambda: Manifest(MODULE, deterministic=True, seed=2**53),
    ],
)
def test_a_value_that_cannot_be_meant_is_never_made(make) -> None:
    with pytest.raises(InvalidInput):
        make()


def test_binding_folders_completes_the_mounts() -> None:
    manifest = Manifest(MODULE, Invocation(mounts=[Mount("/in", read_only=True)]))
    bound = manifest.bind((Preopen("/tmp", Mount("/in", read_only=True)), Preopen("/srv", Mount("/extra"))))
    assert bound.invocation.mounts == (Mount("/extra"), Mount("/in", read_only=True))
    with pytest.raises(InvalidInput, match="no folder is given for /in"):
        manifest.bind(())
    with pytest.raises(InvalidInput, match="read-only"):
        manifest.bind((Preopen("/tmp", Mount("/in")),))


def test_the_schema_accepts_what_the_model_accepts_and_nothing_unknown() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(manifest_schema())
    validator.check_schema(manifest_schema())
    validator.validate(json.loads(canonical(Manifest(MODULE, Invocation(["a"], {"A": "b"}, [Mount("/x")])))))
    validator.validate({"limits": {"memory": "64MiB", "wall_time": "2s"}})
    for wrong in ({"limit": {}}, {"limits": {"memory": "64 apples"}}, {"module": "x"}, {"invocation": {"args": [1]}}):
        assert not validator.is_valid(wrong), wrong
