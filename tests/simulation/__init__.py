"""The service simulated: shipped code over scripted ground, under virtual time, from one seed.

Shipped as it is: the verbs, the owner with everything it owns, recovery, the sweeper, the store in
memory, the fence. Scripted: processes and engines (`hosting`, `worker`), the catalogs' server (`lake`),
the connection to the store (`store`), clients (`clients`), crashes and restarts (`world`). Seeded:
what is done (`generate`), every delay and failure, and the order of whatever is ready (`loop`).

`truth` hears from the scripted ground what really happened and judges each change of a row, each
answer and each step of an engine by it at that moment. `mutants` shows what that is worth.

Not simulated: the executing thread of a real worker and its engine (`hosting` follows it by hand),
PostgreSQL, HTTP, and several gateways at once. Files of results and left data are real, in memory.
"""
