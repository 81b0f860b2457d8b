# Reads URLs, a JSON string a line, and answers with what SQLAlchemy's dialect would hand
# to the driver: a JSON object a line, or null where it refuses.
import json
import sys

from sqlalchemy.engine import make_url

for line in sys.stdin:
    text = json.loads(line)
    try:
        url = make_url(text)
        _, args = url.get_dialect()().create_connect_args(url)
        answer = {k: list(v) if isinstance(v, tuple) else str(v) for k, v in args.items()}
    except Exception:
        answer = None
    print(json.dumps(answer), flush=True)
