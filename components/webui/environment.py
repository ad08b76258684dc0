"""What Open WebUI is told by its environment: one place, so that what is off can be seen and tested.

Names and meanings are those of open-webui 0.12 (open_webui/env.py and config.py). Words about secrets are not here:
they arrive as files (start.py).
"""

from __future__ import annotations

import json

from components.webui.settings import WebUi

DATA = "/data"
STATIC = "/tmp/static"  # noqa: S108 - in a memory-backed directory of its own container
"""Where it copies its pictures to at each start."""

OFF = "False"
ON = "True"

_SIGN_IN = {
    "WEBUI_AUTH": ON,
    "WEBUI_ADMIN_NAME": "Administrator",
    "DEFAULT_USER_ROLE": "pending",
    "ENABLE_INITIAL_ADMIN_SIGNUP": OFF,
    "ENABLE_PASSWORD_VALIDATION": ON,
    "ENABLE_API_KEYS": OFF,
    "ENABLE_OAUTH": OFF,
    "ENABLE_LDAP": OFF,
    "ENABLE_SCIM": OFF,
    # Whoever signs out cannot be signed out elsewhere without Redis: a session ends by itself after a working morning.
    "JWT_EXPIRES_IN": "4h",
    "WEBUI_SESSION_COOKIE_SAME_SITE": "strict",
    # Browsers keep such cookies for loopback addresses as well.
    "WEBUI_SESSION_COOKIE_SECURE": ON,
}
_HEADERS = {
    "XFRAME_OPTIONS": "DENY",
    "XCONTENT_TYPE": "nosniff",
    "REFERRER_POLICY": "no-referrer",
    "XPERMITTED_CROSS_DOMAIN_POLICIES": "none",
    "CROSS_ORIGIN_OPENER_POLICY": "same-origin",
    "CROSS_ORIGIN_RESOURCE_POLICY": "same-origin",
    "PERMISSIONS_POLICY": "camera=(),geolocation=(),microphone=(),payment=(),usb=()",
    # Nothing comes from elsewhere. Its own scripts are in part inline, and pictures may be part of a page.
    "CONTENT_SECURITY_POLICY": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' data: blob:",
            "worker-src 'self' blob:",
            "connect-src 'self' data: blob:",
            "frame-src 'self' blob:",
            "frame-ancestors 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "object-src 'none'",
        )
    ),
}
_NOTHING_OUTSIDE = {
    "OFFLINE_MODE": ON,
    "ENABLE_VERSION_UPDATE_CHECK": OFF,
    "ENABLE_COMMUNITY_SHARING": OFF,
    "ENABLE_DIRECT_CONNECTIONS": OFF,
    "ENABLE_DIRECT_INTEGRATIONS": OFF,
    "ENABLE_OPENAI_API_PASSTHROUGH": OFF,
    "ENABLE_WEB_SEARCH": OFF,
    "ENABLE_IMAGE_GENERATION": OFF,
    "ENABLE_IMAGE_EDIT": OFF,
    "ENABLE_GOOGLE_DRIVE_INTEGRATION": OFF,
    "ENABLE_ONEDRIVE_INTEGRATION": OFF,
    "ENABLE_USER_WEBHOOKS": OFF,
    "ENABLE_OTEL": OFF,
    "ENABLE_PROFILE_IMAGE_URL_FORWARDING": OFF,
    "ENABLE_FORWARD_USER_INFO_HEADERS": OFF,
    # No local models: nothing is downloaded for documents, speech and ranking (and the site's build has none of it).
    "USE_SLIM_DOCKER": ON,
    "RAG_EMBEDDING_MODEL_AUTO_UPDATE": OFF,
    "RAG_RERANKING_MODEL_AUTO_UPDATE": OFF,
    "WHISPER_MODEL_AUTO_UPDATE": OFF,
    "USER_PERMISSIONS_CHAT_FILE_UPLOAD": OFF,
    "USER_PERMISSIONS_CHAT_WEB_UPLOAD": OFF,
    "USER_PERMISSIONS_CHAT_STT": OFF,
    "USER_PERMISSIONS_CHAT_TTS": OFF,
    "USER_PERMISSIONS_CHAT_CALL": OFF,
    "USER_PERMISSIONS_FEATURES_WEB_SEARCH": OFF,
    "USER_PERMISSIONS_FEATURES_IMAGE_GENERATION": OFF,
    "USER_PERMISSIONS_FEATURES_CODE_INTERPRETER": OFF,
    "SCARF_NO_ANALYTICS": "true",
    "DO_NOT_TRACK": "true",
    "ANONYMIZED_TELEMETRY": "false",
}
_NO_CODE = {
    "ENABLE_CODE_EXECUTION": OFF,
    "ENABLE_CODE_INTERPRETER": OFF,
    "ENABLE_PLUGINS": OFF,
    "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS": OFF,
    "SAFE_MODE": ON,
    "ENABLE_AUTOMATIONS": OFF,
    "ENABLE_EASTER_EGGS": OFF,
}
_ONE_QUESTION_ONE_REQUEST = {
    # Each of these would ask the model again behind the person's back, on an engine that works on one or two at once.
    "ENABLE_TITLE_GENERATION": OFF,
    "ENABLE_TAGS_GENERATION": OFF,
    "ENABLE_FOLLOW_UP_GENERATION": OFF,
    "ENABLE_AUTOCOMPLETE_GENERATION": OFF,
    "ENABLE_SEARCH_QUERY_GENERATION": OFF,
    "ENABLE_RETRIEVAL_QUERY_GENERATION": OFF,
    "ENABLE_MEMORIES": OFF,
    "ENABLE_EVALUATION_ARENA_MODELS": OFF,
}
_SMALL_REQUESTS = {
    # Otherwise each question carries the descriptions of a dozen tools, 17 KB: more than a small model's whole context,
    # and seconds of reading on a CPU.
    "DEFAULT_MODEL_METADATA": json.dumps(
        {
            "capabilities": dict.fromkeys(
                (
                    *("builtin_tools", "code_interpreter", "file_context", "file_upload", "image_generation"),
                    *("memory", "terminal", "vision", "web_search"),
                ),
                False,
            )
        }
    ),
    "DEFAULT_INTERFACE_SETTINGS": json.dumps({"showChangelog": False}),
}
_RUNNING = {
    "ENV": "prod",  # no pages about its interface
    "DOCKER": ON,
    "DATA_DIR": DATA,
    "STATIC_DIR": STATIC,
    "HOME": "/tmp",  # noqa: S108
    "ENABLE_PERSISTENT_CONFIG": OFF,  # else what is saved in the database would win over all of this (finding 12)
    "BYPASS_MODEL_ACCESS_CONTROL": OFF,
    "ENABLE_OLLAMA_API": OFF,
    "ENABLE_OPENAI_API": ON,
    "AUDIT_LOG_LEVEL": "METADATA",
    "ENABLE_AUDIT_STDOUT": ON,
    "ENABLE_AUDIT_LOGS_FILE": OFF,  # one place for logs: the container's, which is rotated
    "AIOHTTP_CLIENT_ALLOW_REDIRECTS": OFF,
    # No proxy stands before it, so nobody may say where a request came from (control 46).
    "FORWARDED_ALLOW_IPS": "",
    "ENABLE_ADMIN_EXPORT": ON,
}


def environment(webui: WebUi, gateway_url: str, model: str) -> dict[str, str]:
    """Every variable of the service. `gateway_url` ends in /v1; `model` is chosen in a new chat."""
    described = {
        "WEBUI_URL": webui.endpoint,
        "CORS_ALLOW_ORIGIN": ";".join(webui.origins),
        "WEBUI_ADMIN_EMAIL": webui.admin_email,
        "ENABLE_SIGNUP": ON if webui.sign_up else OFF,
        "OPENAI_API_BASE_URLS": gateway_url,
        "DEFAULT_MODELS": model,
    }
    if webui.tls:
        described["HSTS"] = "max-age=31536000"
    fixed = (_SIGN_IN, _HEADERS, _NOTHING_OUTSIDE, _NO_CODE, _ONE_QUESTION_ONE_REQUEST, _SMALL_REQUESTS, _RUNNING)
    return {name: value for group in (*fixed, described) for name, value in group.items()}
