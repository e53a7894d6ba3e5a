"""Every route of the API, and the app that serves them. The whole interface on one page."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.routing import Route

from director.api import (
    alerts,
    answer,
    cleanup,
    configs,
    deployments,
    disks,
    doctor,
    drift,
    errands,
    events,
    fence,
    fleet,
    health,
    info,
    instances,
    locks,
    metrics,
    misc,
    networks,
    output,
    problems,
    releases,
    resources,
    stemcells,
    tasks,
    typed_configs,
    variables,
    watching,
)
from director.api.agent_bundle import bundle_route
from director.api.guard import Guard
from director.api.services import Services
from director.model.problem import Refused
from director.ports.failure import Failure

_D = "/deployments/{deployment}"
_GROUP = "/instance_groups/{group}/{instance}"

_DEPLOYMENTS = (
    Route("/deployments", deployments.list_deployments, methods=["GET"]),
    Route("/deployments", deployments.deploy, methods=["POST"]),
    Route(_D, deployments.show_deployment, methods=["GET"]),
    Route(_D, deployments.delete_deployment, methods=["DELETE"]),
    Route(f"{_D}/diff", deployments.diff_deployment, methods=["POST"]),
    Route(f"{_D}/plan", deployments.plan, methods=["POST"]),
    Route(f"{_D}/vms", instances.list_vms, methods=["GET"]),
    Route(f"{_D}/instances", instances.list_instances, methods=["GET"]),
    Route(f"{_D}/jobs/{{group}}", instances.change_state, methods=["PUT"]),
    Route(f"{_D}/jobs/{{group}}/{{instance}}", instances.change_state, methods=["PUT"]),
    Route(f"{_D}/jobs/{{group}}/{{instance}}/logs", instances.fetch_logs, methods=["GET"]),
    Route(f"{_D}/jobs/{{group}}/{{instance}}/resurrection", instances.resurrection_gone, methods=["PUT"]),
    Route(f"{_D}/jobs/{{group}}/{{instance}}/snapshots", misc.snapshots, methods=["POST"]),
    Route(f"{_D}{_GROUP}/actions/{{action}}", instances.act, methods=["POST"]),
    Route(f"{_D}{_GROUP}/ignore", instances.ignore, methods=["PUT"]),
    Route(f"{_D}{_GROUP}/fence", fence.fence, methods=["PUT"]),
    Route(f"{_D}/errands", errands.list_errands, methods=["GET"]),
    Route(f"{_D}/errands/{{errand}}/runs", errands.run_errand, methods=["POST"]),
    Route(f"{_D}/watch", watching.show_watch, methods=["GET"]),
    Route(f"{_D}/watch", watching.put_watch, methods=["PUT"]),
    Route(f"{_D}/watch", watching.delete_watch, methods=["DELETE"]),
    Route(f"{_D}/variables", variables.list_variables, methods=["GET"]),
    Route(f"{_D}/variables/{{name:path}}", variables.forget_variable, methods=["DELETE"]),
    Route(f"{_D}/certificate_expiry", misc.empty_list_of_deployment, methods=["GET"]),
    Route(f"{_D}/snapshots", misc.empty_list_of_deployment, methods=["GET"]),
    Route(f"{_D}/snapshots", misc.snapshots, methods=["POST", "DELETE"]),
    Route(f"{_D}/snapshots/{{cid}}", misc.snapshots, methods=["DELETE"]),
    Route(f"{_D}/problems", problems.list_problems, methods=["GET"]),
    Route(f"{_D}/problems", problems.resolve, methods=["PUT"]),
    Route(f"{_D}/scans", problems.scan, methods=["POST"]),
    Route(f"{_D}/scan_and_fix", problems.scan_and_fix, methods=["PUT"]),
    Route(f"{_D}/ssh", misc.ssh, methods=["POST"]),
)

_SOFTWARE = (
    Route("/releases", releases.list_releases, methods=["GET"]),
    Route("/releases", releases.upload_release, methods=["POST"]),
    Route("/releases/export", releases.export_release, methods=["POST"]),
    Route("/releases/{name}", releases.show_release, methods=["GET"]),
    Route("/releases/{name}", releases.delete_release, methods=["DELETE"]),
    Route("/packages/matches", releases.match_packages, methods=["POST"]),
    Route("/packages/matches_compiled", releases.match_compiled, methods=["POST"]),
    Route("/stemcells", stemcells.list_stemcells, methods=["GET"]),
    Route("/stemcells", stemcells.upload_stemcell, methods=["POST"]),
    Route("/stemcell_uploads", stemcells.needs_upload, methods=["POST"]),
    Route("/stemcells/{name}/{version}", stemcells.delete_stemcell, methods=["DELETE"]),
)

_CONFIGS = (
    *(
        route
        for kind in ("cloud", "runtime", "cpi", "network", "resurrection")
        for route in (
            Route(f"/{kind}_configs", typed_configs.list_typed, methods=["GET"]),
            Route(f"/{kind}_configs", typed_configs.update_typed, methods=["POST"]),
            Route(f"/{kind}_configs/diff", typed_configs.diff_typed, methods=["POST"]),
        )
    ),
    Route("/configs", configs.list_configs, methods=["GET"]),
    Route("/configs", configs.update_config, methods=["POST"]),
    Route("/configs", configs.delete_configs, methods=["DELETE"]),
    Route("/configs/diff", configs.diff_configs, methods=["POST"]),
    Route("/configs/{id}", configs.show_config, methods=["GET"]),
    Route("/configs/{id}", configs.delete_config, methods=["DELETE"]),
    Route("/deployment_configs", configs.list_deployment_configs, methods=["GET"]),
)

_DIRECTOR = (
    Route("/info", info.show_info, methods=["GET"]),
    Route("/healthz", info.show_health, methods=["GET"]),
    Route("/tasks", tasks.list_tasks, methods=["GET"]),
    Route("/tasks/cancel", tasks.cancel_tasks, methods=["POST"]),
    Route("/tasks/{task}", tasks.show_task, methods=["GET"]),
    Route("/tasks/{task}/output", output.show_output, methods=["GET"]),
    Route("/task/{task}", tasks.cancel_task, methods=["DELETE"]),
    Route("/events", events.list_events, methods=["GET"]),
    Route("/events/{id}", events.show_event, methods=["GET"]),
    Route("/locks", locks.list_locks, methods=["GET"]),
    Route("/disks", disks.list_disks, methods=["GET"]),
    Route("/disks/{cid:path}/attachments", misc.attach_disk, methods=["PUT"]),
    Route("/disks/{cid:path}", disks.delete_disk, methods=["DELETE"]),
    Route("/drift", drift.show_drift, methods=["GET"]),
    Route("/drift", drift.fix_drift, methods=["PUT"]),
    Route("/metrics", metrics.show_metrics, methods=["GET"]),
    Route("/alerts", alerts.list_alerts, methods=["GET"]),
    Route("/fleet", fleet.show_fleet, methods=["GET"]),
    Route("/doctor", doctor.show_doctor, methods=["GET"]),
    Route("/watch", watching.list_watches, methods=["GET"]),
    Route("/health", health.show_health, methods=["GET"]),
    Route("/resources/{blob}", resources.show_resource, methods=["GET"]),
    Route("/cleanup", cleanup.clean_up, methods=["POST"]),
    Route("/cleanup/dryrun", cleanup.show_clean_up, methods=["GET"]),
    Route("/resurrection", misc.show_resurrection, methods=["GET"]),
    Route("/resurrection", misc.change_resurrection, methods=["PUT"]),
    Route("/orphaned_vms", misc.empty_list, methods=["GET"]),
    Route("/networks", networks.show_networks, methods=["GET"]),
    Route("/networks", networks.apply_networks, methods=["POST"]),
    Route("/networks/{name}", networks.delete_network, methods=["DELETE"]),
    Route("/vms/{cid:path}", misc.delete_vm, methods=["DELETE"]),
    Route("/director/certificate_expiry", misc.empty_list, methods=["GET"]),
    Route("/links", misc.links, methods=["GET", "POST"]),
    Route("/link_providers", misc.links, methods=["GET"]),
    Route("/link_consumers", misc.links, methods=["GET"]),
    Route("/link_address", misc.links, methods=["GET"]),
)

ROUTES = (*_DIRECTOR, *_DEPLOYMENTS, *_SOFTWARE, *_CONFIGS)


def build_app(services: Services) -> Starlette:
    """The API over ``services``. Everything but /info, /healthz and the agent bundle demands the credentials."""
    app = Starlette(
        routes=[*ROUTES, bundle_route(services.bundle_file)],
        middleware=[Middleware(Guard, credentials=services.credentials)],
        exception_handlers={
            Refused: answer.on_refused,
            answer.Answered: answer.on_answered,
            Failure: answer.on_failure,
            OSError: answer.on_full_disk,
            ClientDisconnect: answer.on_gone,
            HTTPException: answer.on_http,
        },
    )
    app.router.redirect_slashes = False
    app.state.services = services
    return app
