"""httpbin on the server of its framework, with connections that stay open. Argument: the port."""
import sys

from httpbin import app
from werkzeug.serving import run_simple

run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)
