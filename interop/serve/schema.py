"""schemathesis asks everything that /openapi.json describes, and much that it does not.

python schema.py SOUP MODEL [EXAMPLES]
"""

import pathlib
import subprocess
import sys
import tempfile

from server import serving

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method"


def main(program, model, examples="100"):
    name = pathlib.Path(model).stem
    with serving(program, [model]) as server, tempfile.TemporaryDirectory() as place:
        # Names drawn at random would meet nothing but 404.
        config = pathlib.Path(place) / "schemathesis.toml"
        config.write_text(f'[parameters]\n"path.model" = "{name}"\n"query.model" = "{name}"\n')
        command = [
            pathlib.Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run",
            f"{server.url}/openapi.json", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
            "--max-examples", examples, "--seed", "1", "--workers", "1", "--suppress-health-check", "all",
        ]  # fmt: skip
        code = subprocess.run(command, cwd=place).returncode
    if code:
        raise SystemExit(code)
    print(f"schemathesis: no finding in {server.totals['requests']} requests")


if __name__ == "__main__":
    main(*sys.argv[1:])
