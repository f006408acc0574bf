"""kubeconfigs of one field or one fault each, see kubeconfigs.py."""

from __future__ import annotations

import base64
import json
from typing import Any

from kubeconfigs import FAILS, REACHES, REFUSES, Case, Plugin, credential

ALPHA = "server: $alpha, certificate-authority-data: $alpha_ca"
BETA = "server: $beta, certificate-authority-data: $beta_ca"
TOKEN = "token: $token"
API = "server: 'https://api.example:6443', certificate-authority-data: $alpha_ca"  # for a proxy


def text(cluster: str = ALPHA, user: str = TOKEN, *, context: str = "{cluster: c, user: u}") -> str:
    """A kubeconfig with these fields."""
    return (
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
        f"contexts: [{{name: x, context: {context}}}]\n"
        f"clusters: [{{name: c, cluster: {{{cluster}}}}}]\n"
        f"users: [{{name: u, user: {{{user}}}}}]\n"
    )


def one(name: str, cluster: str = ALPHA, user: str = TOKEN, *, context: str = "", **more: Any) -> Case:
    """A case of a single file."""
    files = {"config": text(cluster, user), **more.pop("files", {})}
    return Case(name, files, context=context, **more)


def whole(name: str, content: str, **more: Any) -> Case:
    """A case of a single file, word for word."""
    return Case(name, {"config": content, **more.pop("files", {})}, **more)


def refused(name: str, cluster: str = ALPHA, user: str = TOKEN, says: str = "", **more: Any) -> Case:
    """A case that neither of both takes."""
    return one(name, cluster, user, kubectl=REFUSES, says=says, **more)


# The cluster --------------------------------------------------------------------------------------------

_PLAIN = "it sends Secrets over https only"

CLUSTERS = [
    one("a CA's file beside the kubeconfig", "server: $alpha, certificate-authority: pki/ca.crt",
        files={"pki/ca.crt": "$alpha_ca_pem"}),
    one("a CA's file by its whole path", "server: $alpha, certificate-authority: $dir/ca.crt",
        files={"ca.crt": "$alpha_ca_pem"}),
    refused("a CA's file that is not there", "server: $alpha, certificate-authority: ca.crt", says="ca.crt"),
    refused("a CA twice", f"{ALPHA}, certificate-authority: ca.crt", files={"ca.crt": "$stranger_ca_pem"},
            says="certificate-authority-data"),
    one("another CA", "server: $alpha, certificate-authority-data: $stranger_ca",
        kubectl=FAILS, says="certificate"),
    one("no CA", "server: $alpha", kubectl=FAILS, says="certificate"),
    one("nothing is verified", "server: $alpha, insecure-skip-tls-verify: true"),
    one("nothing is verified, as YAML 1.1 says yes", "server: $alpha, insecure-skip-tls-verify: yes"),
    refused("nothing is verified, but there is a CA", f"{ALPHA}, insecure-skip-tls-verify: true",
            says='cluster "c".*insecure-skip-tls-verify'),
    one("the CA's data on many lines", 'server: $alpha, certificate-authority-data: "$folded_ca"'),
    refused("the CA's data is no base64", "server: $alpha, certificate-authority-data: '%%%'", says="base64"),
    refused("the CA's data is no PEM", "server: $alpha, certificate-authority-data: aGVsbG8K", says="PEM"),
    one("another name for TLS", f"{ALPHA}, tls-server-name: api.example"),
    one("another name for TLS that is not the server's", f"{ALPHA}, tls-server-name: other.example",
        kubectl=FAILS, says="certificate"),
    one("another name, and nothing is verified",
        "server: $alpha, insecure-skip-tls-verify: true, tls-server-name: other.example"),
    one("a name for the address", "server: 'https://localhost:$alpha_port', certificate-authority-data: $alpha_ca"),
    one("no scheme", "server: '127.0.0.1:$alpha_port', certificate-authority-data: $alpha_ca",
        kubectl=FAILS, says="HTTP request to an HTTPS server"),
    one("no scheme and no CA", "server: '127.0.0.1:$plain_port'"),
    one("a scheme in capitals",
        "server: 'HTTPS://127.0.0.1:$alpha_port', certificate-authority-data: $alpha_ca"),
    one("a slash at the end", "server: $alpha/, certificate-authority-data: $alpha_ca"),
    one("a path", "server: $alpha/k8s/clusters/c-1, certificate-authority-data: $alpha_ca"),
    one("a path with a slash at the end", "server: $alpha/a/b/, certificate-authority-data: $alpha_ca"),
    one("a path and another name", "server: $alpha/a, tls-server-name: api.example, "
        "certificate-authority-data: $alpha_ca"),
    one("a query and a fragment", "server: '$alpha/a?b=c#d', certificate-authority-data: $alpha_ca"),
    one("plain http to this machine", "server: $plain"),
    one("plain http to this machine with a certificate and impersonation", "server: $plain",
        "client-certificate-data: $admin_cert, client-key-data: $admin_key, as: jane"),
    one("plain http to another machine", "server: 'http://plain.example', proxy-url: 'http://$http'",
        eatr=REFUSES, says="plain http", why=_PLAIN),
    one("a user in the URL", "server: 'https://jane:$password@127.0.0.1:$alpha_port', "
        "certificate-authority-data: $alpha_ca", eatr=REFUSES, says="user name",
        why="kubectl sends the token and not this; eatr does not guess which is meant"),
    one("an IPv6 address", "server: 'https://[fd00::10]:6443', certificate-authority-data: $alpha_ca",
        env={"HTTPS_PROXY": "http://$http"}),
    one("no compression", f"{ALPHA}, disable-compression: true"),
    refused("no server", "certificate-authority-data: $alpha_ca", says='cluster "c".*server'),
    refused("a server that is a list", "server: [a]", says="server"),
    refused("a server that is no URL", "server: 'https://a b'", says="server"),
]

# Proxies ------------------------------------------------------------------------------------------------


def _proxy(url: str) -> str:
    return f"{API}, proxy-url: '{url}'"


FAR = "server: 'https://240.0.0.1:6443', certificate-authority-data: $alpha_ca"  # nobody's; only $http knows it
_CURL = "design: the environment's proxies are taken as curl takes them"

PROXIES = [
    one("an http proxy", _proxy("http://$http")),
    one("an http proxy that wants a login", _proxy("http://jane:pass%3Aword-3b1f70d9@$http_login")),
    one("an http proxy and no login", _proxy("http://$http_login"), kubectl=FAILS, says="407"),
    one("an http proxy and a wrong login", _proxy("http://jane:no@$http_login"), kubectl=FAILS, says="407"),
    one("an http proxy that cannot go there",
        "server: 'https://nowhere.example', certificate-authority-data: $beta_ca, proxy-url: 'http://$http'",
        kubectl=FAILS, says="502"),
    one("an http proxy that is not there", _proxy("http://127.0.0.1:1"), kubectl=FAILS, says="127.0.0.1"),
    one("an https proxy", _proxy("https://$https")),
    one("an https proxy that wants a login", _proxy("https://jane:pass%3Aword-3b1f70d9@$https_login")),
    one("an https proxy that the CA does not know",
        "server: 'https://10.0.0.20:6443', certificate-authority-data: $beta_ca, proxy-url: 'https://$https'",
        kubectl=FAILS, says="certificate"),
    one("an https proxy, and nothing is verified",
        "server: 'https://api.example:6443', insecure-skip-tls-verify: true, proxy-url: 'https://$https'"),
    one("a SOCKS5 proxy", _proxy("socks5://$socks")),
    one("a SOCKS5 proxy that wants a login", _proxy("socks5://jane:pass%3Aword-3b1f70d9@$socks_login")),
    one("a SOCKS5 proxy and no login", _proxy("socks5://$socks_login"), kubectl=FAILS, says="(?i)socks|auth"),
    refused("a SOCKS5 proxy by curl's name for it", _proxy("socks5h://$socks"), says="proxy-url"),
    one("a proxy, a path and another name for TLS", "server: 'https://10.0.0.10:6443/a', "
        "certificate-authority-data: $alpha_ca, tls-server-name: api.example, proxy-url: 'http://$http'"),
    one("a proxy to this machine", f"{ALPHA}, proxy-url: 'http://$http'"),
    one("a proxy and a client certificate", _proxy("http://$http"),
        "client-certificate-data: $admin_cert, client-key-data: $admin_key"),
    refused("a proxy of an unknown kind", _proxy("ftp://$http"), says="proxy-url"),
    refused("a proxy without a scheme", _proxy("$http"), says="proxy-url"),
    one("proxy-url before the environment's", _proxy("http://$http"), env={"HTTPS_PROXY": "http://127.0.0.1:1"}),
    one("proxy-url whatever NO_PROXY says", _proxy("http://$http"), env={"NO_PROXY": "*,api.example"}),
    one("the environment's proxy", FAR, env={"HTTPS_PROXY": "http://$http"}),
    one("the environment's proxy in small letters", FAR, env={"https_proxy": "http://$http"}),
    one("the environment's proxy without a scheme", FAR, env={"HTTPS_PROXY": "$http"}),
    one("the environment's proxy with a login", API,
        env={"HTTPS_PROXY": "http://jane:pass%3Aword-3b1f70d9@$http_login"}),
    one("the environment's SOCKS5 proxy", API, env={"HTTPS_PROXY": "socks5://$socks"}),
    one("NO_PROXY names what is the server's name in TLS only", f"{FAR}, tls-server-name: api.example",
        env={"HTTPS_PROXY": "http://$http", "NO_PROXY": "api.example"}),
    one("NO_PROXY names an address that has another name in TLS", f"{FAR}, tls-server-name: api.example",
        env={"HTTPS_PROXY": "http://$http", "NO_PROXY": "240.0.0.1"}, kubectl=FAILS, says="240.0.0.1"),
    one("NO_PROXY names the network of an address with another name in TLS", f"{FAR}, tls-server-name: api.example",
        env={"HTTPS_PROXY": "http://$http", "no_proxy": "240.0.0.0/4"}, kubectl=FAILS, says="240.0.0.1"),
    one("the environment's proxy is not for this machine", env={"HTTPS_PROXY": "http://127.0.0.1:1"}),
    one("the environment's proxy is not for localhost",
        "server: 'https://localhost:$alpha_port', certificate-authority-data: $alpha_ca",
        env={"HTTPS_PROXY": "http://127.0.0.1:1"}),
    one("the environment's http proxy is not for https", env={"HTTP_PROXY": "http://127.0.0.1:1"}),
    one("NO_PROXY names the address", FAR, env={"HTTPS_PROXY": "http://$http", "NO_PROXY": "240.0.0.1"},
        kubectl=FAILS, says="240.0.0.1"),
    one("NO_PROXY names the network", FAR, env={"HTTPS_PROXY": "http://$http", "NO_PROXY": "a.example,240.0.0.0/4"},
        kubectl=FAILS, says="240.0.0.1"),
    one("NO_PROXY is for all", FAR, env={"HTTPS_PROXY": "http://$http", "NO_PROXY": "*"},
        kubectl=FAILS, says="240.0.0.1"),
    one("NO_PROXY names another address", FAR,
        env={"HTTPS_PROXY": "http://$http", "NO_PROXY": "240.0.0.10,1.2.0.0/8"}),
    one("a proxy for all protocols", FAR, env={"ALL_PROXY": "http://$http"}, kubectl=FAILS, eatr=REACHES, why=_CURL),
]

# The user -----------------------------------------------------------------------------------------------

_JWT = ".".join(
    base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")
    for part in ('{"alg":"RS256"}', '{"exp":4070908800}', "signature")
)
_PROVIDER = "idp-issuer-url: 'https://i.example', client-id: c, id-token: " + _JWT
_OIDC = f"auth-provider: {{name: oidc, config: {{{_PROVIDER}}}}}"
_FILES = {"pki/c.crt": "$k3s_cert_pem", "pki/c.key": "$k3s_key_pem"}

USERS = [
    one("a client certificate", user="client-certificate-data: $admin_cert, client-key-data: $admin_key"),
    one("a client certificate's files", user="client-certificate: pki/c.crt, client-key: ./pki/c.key", files=_FILES),
    one("a client certificate's data and its key's file",
        user="client-certificate-data: $k3s_cert, client-key: pki/c.key", files=_FILES),
    one("a client certificate with its intermediate",
        user="client-certificate-data: $chained_cert, client-key-data: $chained_key"),
    one("a client certificate and a token",
        user=f"client-certificate-data: $aks_cert, client-key-data: $aks_key, {TOKEN}"),
    refused("a client certificate twice", user="client-certificate-data: $admin_cert, client-certificate: c, "
            "client-key-data: $admin_key", files={"c": "$k3s_cert_pem"}, says="client-certificate-data"),
    refused("a client certificate without a key", user="client-certificate-data: $admin_cert",
            says='user "u".*client-key'),
    refused("a key without a certificate", user="client-key-data: $admin_key", says='user "u".*client-certificate'),
    refused("a key's file that is not there", user="client-certificate-data: $admin_cert, client-key: c.key",
            says="c.key"),
    refused("another certificate's key", user="client-certificate-data: $admin_cert, client-key-data: $super_key",
            says='user "u".*key'),
    refused("a key with a password", user="client-certificate-data: $admin_cert, client-key-data: $locked_key",
            says="password"),
    refused("a client certificate that is no PEM",
            user="client-certificate-data: aGVsbG8K, client-key-data: $admin_key", says="PEM"),
    one("a token with a line break", user='token: "$token\\n"', kubectl=REFUSES, eatr=REACHES,
        why="as in a tokenFile: nobody means the line break"),
    one("a tokenFile", user="tokenFile: t", files={"t": "$other"}),
    one("a tokenFile with a line break", user="tokenFile: $dir/t", files={"t": "$other\n"}),
    one("a token and a tokenFile", user=f"{TOKEN}, tokenFile: t", files={"t": "$other\n"}),
    one("a token and a tokenFile that is not there", user=f"{TOKEN}, tokenFile: t"),
    refused("a tokenFile that is not there", user="tokenFile: secrets/t", says="secrets/t"),
    refused("an empty tokenFile", user="tokenFile: t", files={"t": "\n"}, says="empty"),
    one("a name and a password", user="username: jane, password: '$password'"),
    refused("a name and a password and a token", user=f"username: jane, password: '$password', {TOKEN}",
            says='user "u"'),
    one("impersonation", user=f"{TOKEN}, as: jane"),
    one("impersonation with a certificate", user="client-certificate-data: $admin_cert, client-key-data: $admin_key, "
        "as: 'system:serviceaccount:ops:eatr'"),
    one("impersonation with groups", user=f"{TOKEN}, as: jane, as-groups: [a, 'b c', 'system:masters']"),
    one("impersonation with all there is", user=f"{TOKEN}, as: jane, as-uid: '42', as-groups: [a], "
        "as-user-extra: {acme.com/team: [w, x], 'odd%key': [z], 'Ümlaut a=b': [v], scopes: [view]}"),
    refused("impersonation of a group alone", user=f"{TOKEN}, as-groups: [a]", says='user "u".*as'),
    refused("impersonation of a uid alone", user=f"{TOKEN}, as-uid: '42'", says='user "u".*as'),
    refused("impersonation of extras alone", user=f"{TOKEN}, as-user-extra: {{a: [b]}}", says='user "u".*as'),
    one("an identity provider", user=_OIDC, eatr=REFUSES, says='user "u".*auth-provider',
        why="kubectl's login flow writes into the kubeconfig; exec is its successor"),
    refused("an identity provider that is gone", user="auth-provider: {name: gcp}", says='user "u".*auth-provider'),
    one("nothing", user="", kubectl=REFUSES, eatr=REACHES, why="kubectl asks the terminal for a name and a password"),
]

# Plugins ------------------------------------------------------------------------------------------------

_V1BETA1 = "client.authentication.k8s.io/v1beta1"
_V1 = "client.authentication.k8s.io/v1"


def exec_(command: str = "plugin", version: str = _V1BETA1, more: str = "") -> str:
    """An exec entry."""
    return f"exec: {{apiVersion: {version}, command: {command}{', ' + more if more else ''}}}"


def _answering(stdout: str, code: int = 0, stderr: str = "") -> dict[str, Plugin]:
    return {"plugin": Plugin(stdout, code, stderr)}


_GIVES = _answering(credential(token="$token"))
_GIVES_V1 = _answering(credential("v1", token="$token"))
_CERT = {"clientCertificateData": "CERT", "clientKeyData": "KEY"}


def _certificate(**more: str) -> str:
    """What a plugin prints that has a certificate."""
    status = json.dumps({**_CERT, **more}).replace("CERT", "$plugin_cert_json").replace("KEY", "$plugin_key_json")
    return f'{{"apiVersion": "{_V1BETA1}", "kind": "ExecCredential", "status": {status}}}'


_TELLS = "provideClusterInfo: true, interactiveMode: Never"
_EXTENDED = (
    f"{ALPHA}, tls-server-name: api.example, disable-compression: true, extensions: [{{name: other, extension: 1}}, "
    "{name: client.authentication.k8s.io/exec, extension: {audience: ops, nested: [1, {a: null}]}}]"
)

PLUGINS = [
    one("a plugin", user=exec_(), plugins=_GIVES),
    one("a plugin of v1", user=exec_(version=_V1, more="interactiveMode: IfAvailable"), plugins=_GIVES_V1),
    one("a plugin with arguments and an environment",
        user=exec_(version=_V1, more="interactiveMode: Never, args: [-a, 'b c', '', \"d'e\"], "
                   "env: [{name: PLUGIN_ONE, value: x y}, {name: PLUGIN_TWO, value: ''}]"),
        plugins=_GIVES_V1, env={"PLUGIN_THREE": "kept", "PLUGIN_ONE": "replaced"}),
    one("a plugin that is told the cluster", user=exec_(more=_TELLS), plugins=_GIVES),
    one("a plugin that is told all", _EXTENDED, exec_(version=_V1, more=_TELLS), plugins=_GIVES_V1),
    one("a plugin that is told a CA's file", "server: $alpha, certificate-authority: ca.crt",
        exec_(version=_V1, more=_TELLS), plugins=_GIVES_V1, files={"ca.crt": "$alpha_ca_pem"}),
    one("a plugin that is told of a proxy", _proxy("http://$http"), exec_(version=_V1, more=_TELLS),
        plugins=_GIVES_V1),
    one("a plugin that is told that nothing is verified", "server: $alpha/a/, insecure-skip-tls-verify: true",
        exec_(version=_V1, more=_TELLS), plugins=_GIVES_V1),
    one("a plugin by a path", user=exec_("./bin/plugin"), plugins=_GIVES),
    one("a plugin by its whole path", user=exec_("$dir/bin/plugin"), plugins=_GIVES),
    one("a plugin that gives a certificate", user=exec_(), plugins=_answering(_certificate())),
    one("a plugin that gives a certificate and a token", user=exec_(),
        plugins=_answering(_certificate(token="$token"))),
    one("a plugin and impersonation", user=exec_() + ", as: jane", plugins=_GIVES),
    one("a plugin and a token", user=f"{exec_()}, {TOKEN}", plugins=_GIVES),
    one("a plugin that talks", user=exec_(), plugins=_answering(credential(token="$token"), stderr="Hello\n")),
    one("a plugin that fails", user=exec_(), kubectl=FAILS, says="plugin",
        plugins=_answering("", 3, "no session: log in first\n")),
    one("a plugin that fails, with a token", user=exec_(), kubectl=FAILS, says="plugin",
        plugins=_answering(credential(token="$token"), 1)),
    one("a plugin of another version", user=exec_(), kubectl=FAILS, says="apiVersion", plugins=_GIVES_V1),
    one("a plugin that prints no JSON", user=exec_(), kubectl=FAILS, says="plugin", plugins=_answering("token: x")),
    one("a plugin that prints nothing", user=exec_(), kubectl=FAILS, says="plugin", plugins=_answering("")),
    one("a plugin that gives nothing", user=exec_(), kubectl=FAILS, says="plugin", plugins=_answering(credential())),
    one("a plugin that gives half a certificate", user=exec_(), kubectl=FAILS, says="plugin",
        plugins=_answering(credential(clientKeyData="x"))),
    one("a plugin that is not there", user=exec_("absent", more="installHint: Get it at absent.example"),
        kubectl=FAILS, says="absent.*"),
    refused("a plugin that asks a terminal", user=exec_(version=_V1, more="interactiveMode: Always"),
            plugins=_GIVES_V1, says='user "u".*interactiveMode'),
    refused("a plugin of v1 without interactiveMode", user=exec_(version=_V1), plugins=_GIVES_V1,
            says='user "u".*interactiveMode'),
    refused("a plugin that is too old", user=exec_(version="client.authentication.k8s.io/v1alpha1"),
            plugins=_GIVES, says='user "u".*v1alpha1'),
    refused("a plugin without a version", user="exec: {command: plugin}", plugins=_GIVES, says='user "u".*apiVersion'),
    refused("a plugin without a command", user=f"exec: {{apiVersion: {_V1BETA1}}}", says='user "u".*command'),
    refused("a plugin with a nameless variable", user=exec_(more="env: [{value: x}]"), plugins=_GIVES,
            says='user "u".*env'),
]

# The file -----------------------------------------------------------------------------------------------

_CLUSTERS = f"clusters: [{{name: c, cluster: {{{ALPHA}}}}}]\n"
_USERS = "users: [{name: u, user: {token: $token}}]\n"
_CONTEXTS = "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
_CURRENT = "current-context: x\n"
_ANCHORS = """\
clusters:
- name: c
  cluster: &alpha
    server: $alpha
    certificate-authority-data: $alpha_ca
- name: d
  cluster:
    <<: *alpha
    tls-server-name: api.example
users:
- name: u
  user: &user {token: $token}
- {name: v, user: *user}
contexts:
- {name: x, context: {cluster: d, user: v}}
current-context: x
"""
_JSON = """\
{
    "apiVersion": "v1",
    "clusters": [{"name": "c", "cluster": {"server": "$alpha", "certificate-authority-data": "$alpha_ca"}}],
    "users": [{"name": "u", "user": {"token": "$token"}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "x"
}
"""
_UNKNOWN = """\
apiVersion: v1
kind: Config
preferences: {colors: true}
extensions: [{name: a, extension: {b: [c]}}]
future: {field: [1, 2]}
current-context: 'ops@shop / é'
clusters:
- {name: c, since: 2031, cluster: {server: $alpha, certificate-authority-data: $alpha_ca, later: x, extensions: []}}
users:
- {name: u, user: {token: $token, later: {x: y}, extensions: [{name: a, extension: 1}]}}
contexts:
- name: 'ops@shop / é'
  context: {cluster: c, user: u, namespace: shop, later: 1, extensions: [{name: a, extension: null}]}
"""
_NULLS = """\
apiVersion: v1
kind: Config
preferences: null
current-context: x
contexts: [{name: x, context: {cluster: c, user: u, namespace: ~}}]
clusters: [{name: c, cluster: {server: $alpha, certificate-authority-data: $alpha_ca, certificate-authority: null,
  insecure-skip-tls-verify: false, tls-server-name: '', proxy-url: ''}}]
users: [{name: u, user: {token: $token, tokenFile: '', client-certificate-data: '', client-key: null, as: '',
  exec: null, auth-provider: null, username: ''}}]
"""
_TWO = (
    f"clusters: [{{name: c, cluster: {{{ALPHA}}}}}, {{name: d, cluster: {{{BETA}}}}}]\n"
    "users: [{name: u, user: {token: $token}}, {name: v, user: {token: $other}}]\n"
    "contexts: [{name: x, context: {cluster: c, user: u}}, {name: z, context: {cluster: d, user: v}}]\n"
)

FILES = [
    Case("a list: each part in a file of its own", {"a": _CLUSTERS, "b": _USERS, "d": _CONTEXTS, "e": _CURRENT},
         kubeconfig="$dir/a:$dir/b:$dir/d:$dir/e"),
    Case("a list: the first entry of a name is taken whole",
         {"a": _CURRENT + "users: [{name: u, user: {tokenFile: t}}]\n", "t": "$other", "b": text()},
         kubeconfig="$dir/a:$dir/b"),
    Case("a list: the first current-context is taken", {"a": _TWO, "b": "current-context: z\n", "d": _CURRENT},
         kubeconfig="$dir/a:$dir/b:$dir/d"),
    Case("a list: what is not there, is empty or twice does not count", {"a": text(), "b": ""},
         kubeconfig=":$dir/no:$dir/b::$dir/a:$dir/a:"),
    Case("a list: paths start where they are written",
         {"one/a": "clusters: [{name: c, cluster: {server: $alpha, certificate-authority: ca.crt}}]\n",
          "one/ca.crt": "$alpha_ca_pem", "t": "$other",
          "two/b": _CURRENT + _CONTEXTS + "users: [{name: u, user: {tokenFile: ../t}}]\n"},
         kubeconfig="$dir/one/a:$dir/two/b"),
    Case("a list with a broken file", {"a": text(), "b": "users: [\n"}, kubeconfig="$dir/a:$dir/b", kubectl=REFUSES,
         says="/b: "),
    Case("a list of files that are not there", {}, kubeconfig="$dir/a:$dir/b", kubectl=REFUSES, says=r"\$KUBECONFIG"),
    Case("the home directory's", {".kube/config": text()}, kubeconfig=""),
    Case("no home directory's", {}, kubeconfig="", kubectl=REFUSES, says=r"\.kube/config"),
    Case("a file that is not there", {}, kubectl=REFUSES, says="config"),
    Case("--kubeconfig before $KUBECONFIG", {"config": text(), "b": text(BETA)}, env={"KUBECONFIG": "$dir/b"}),
    whole("an empty file", "", kubectl=REFUSES),
    whole("a file of comments", "# nothing\n---\n", kubectl=REFUSES),
    whole("JSON", _JSON),
    whole("JSON on one line", json.dumps(json.loads(_JSON))),
    whole("JSON with what YAML does not have",
          _JSON.replace("    ", "\t").replace('"$alpha"', '"https:\\/\\/127.0.0.1:$alpha_port"'),
          kubectl=REFUSES, eatr=REACHES, why="it is JSON all the same"),
    whole("JSON that ends too early", _JSON.rstrip()[:-1], kubectl=REFUSES, says="config"),
    whole("YAML's anchors and merge keys", _ANCHORS),
    whole("two documents", text() + "---\n" + text(BETA)),
    whole("line ends of Windows", text().replace("\n", "\r\n")),
    whole("a byte order mark", "\ufeff" + text()),
    whole("a tab", "clusters:\n\t- name: c\n", kubectl=REFUSES, says="line 2"),
    whole("no YAML at all", "\x00\x01\x02", kubectl=REFUSES, says="config"),
    whole("a list", "- a\n- b\n", kubectl=REFUSES, says="config"),
    whole("fields that nobody knows", _UNKNOWN),
    whole("fields that say nothing", _NULLS),
    whole("no apiVersion and no kind", _CLUSTERS + _USERS + _CONTEXTS + _CURRENT),
    whole("another kind", text().replace("kind: Config", "kind: Pod"), kubectl=REFUSES, says="kind"),
    whole("another apiVersion", text().replace("apiVersion: v1", "apiVersion: v2"), kubectl=REFUSES,
          says="apiVersion"),
    whole("a token that is a number", text(user="token: 12345"), kubectl=REFUSES, says="quotes"),
    whole("a name twice", _CURRENT + _CONTEXTS + _USERS + _CLUSTERS.replace("]", ", {name: c, cluster: {}}]"),
          kubectl=REFUSES, says='"c" is there twice'),
    whole("a field twice", text("server: $beta, " + ALPHA)),
    whole("a name that YAML 1.1 takes for a boolean",
          text().replace("name: x", "name: y").replace("context: x", "context: y"), kubectl=REFUSES, says="quotes"),
    whole("no current-context", _CLUSTERS + _USERS + _CONTEXTS, kubectl=REFUSES, says="current-context"),
    whole("a current-context that is not there", text().replace("current-context: x", "current-context: z"),
          kubectl=REFUSES, says='"z"'),
    whole("another context", _TWO + _CURRENT, context="z"),
    whole("another context, and no current-context", _TWO, context="z"),
    whole("another context that is not there", _TWO + _CURRENT, context="w", kubectl=REFUSES, says='"w"'),
    whole("a cluster that is not there", _USERS + _CONTEXTS + _CURRENT, kubectl=REFUSES, says='"c"'),
    whole("a user that is not there", _CLUSTERS + _CONTEXTS + _CURRENT, kubectl=REFUSES, says='"u"'),
    whole("a context without a cluster", text(context="{user: u}"), kubectl=REFUSES, says='context "x".*cluster'),
    whole("a context without a user", text("server: $plain", context="{cluster: c, user: ''}")),
    whole("a broken entry that is not used", text() .replace("users: [", "users: [{name: w, user: {token: x, "
          "client-certificate: no.crt}}, ")),
]

FIELDS = [*CLUSTERS, *PROXIES, *USERS, *PLUGINS, *FILES]
assert all(case.why for case in FIELDS if case.eatr and case.eatr != case.kubectl)
