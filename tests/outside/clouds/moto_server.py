"""moto's server on a free port, whose URL it prints. It takes any signature until `POST /moto-api/reset-auth`."""

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

application = DomainDispatcherApplication(create_backend_app)
server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
