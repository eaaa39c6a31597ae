# Prints the syntax trees of the files named on the command line, as one line of JSON for
# each: nodes as [kind, line, column, [[field, value], ...]].
import ast
import io
import json
import sys
import tokenize


def plain(value):
    if isinstance(value, ast.AST):
        fields = [[name, plain(field)] for name, field in ast.iter_fields(value)]
        column = getattr(value, "col_offset", -1) + 1
        return {"node": [type(value).__name__, getattr(value, "lineno", 0), column, fields]}
    if isinstance(value, list):
        return [plain(element) for element in value]
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, int):
        return {"int": str(value) if abs(value) < 1 << 62 else "0"}
    return {"other": type(value).__name__}


def comments(source):
    found = []
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.COMMENT:
            found.append([token.start[0], token.string])
    return found


sys.setrecursionlimit(100000)
for name in sys.argv[1:]:
    try:
        with open(name, "rb") as file:
            source = file.read()
        answer = {"tree": plain(ast.parse(source, name)), "comments": comments(source)}
    except SyntaxError as error:
        answer = {"error": f"{name}:{error.lineno or 0}: {error.msg}"}
    except (OSError, ValueError, RecursionError, tokenize.TokenError) as error:
        answer = {"error": f"{name}: {error}"}
    print(json.dumps(answer))
