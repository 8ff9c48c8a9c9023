{{/*
What the chart refuses before anything is installed, with what to do. `countersign check` judges the rest.
  {{ include "countersign.refusals" $settings }}
*/}}
{{- define "countersign.refusals" -}}
{{- if not .route -}}
{{-   fail "\n\nNo route is configured: countersign would have nothing to call. Set the URL that signed requests go to:\n\n  config:\n    route:\n      importexport:\n        endpoint: https://importexport.amazonaws.com/\n" -}}
{{- end -}}
{{- if not .key -}}
{{-   fail "\n\nNo key is configured: countersign could sign nothing. Name a Secret that has it:\n\n  keys:\n    main:\n      secret:\n        name: countersign-main    # with main.age and identity; or `file: key.json` for a key in plain\n\nOther sources are csi, vault and aws.\n" -}}
{{- end -}}
{{- if not .listener -}}
{{-   fail "\n\nNo listener is configured: clients could not connect. See config.listener in the chart's values.\n" -}}
{{- end -}}
{{- $admin := .admin | default dict -}}
{{- $addresses := ternary $admin.address (list ($admin.address | default "127.0.0.1:8022")) (kindIs "slice" $admin.address) -}}
{{- $reached := false -}}
{{- range $addresses }}{{ if not (include "countersign.inside" .) }}{{ $reached = true }}{{ end }}{{ end -}}
{{- if not $reached -}}
{{-   fail "\n\nThe kubelet cannot reach [admin], which it asks whether the pod is ready. Set config.admin.address to 0.0.0.0:8022.\n" -}}
{{- end -}}
{{- range $name, $listener := .listener -}}
{{-   $methods := $listener.authenticate | default list -}}
{{-   if and $methods (not $.client) (not $.conf_d) -}}
{{-     fail (printf "\n\nNo client is configured, and the listener `%s` serves nobody else. Say who may call what:\n\n  config:\n    client:\n      reporting:\n        service_account: default/reporting    # namespace/name\n        allow: [\"importexport:List*\"]\n" $name) -}}
{{-   end -}}
{{-   if and (has "service-account" $methods) (not ($listener.service_account | default dict).issuer) -}}
{{-     fail (printf "\n\nThe listener `%s` takes tokens of service accounts, and the issuer of your cluster is not known here. Set\nconfig.listener.%s.service_account.issuer to what this prints:\n\n  kubectl get --raw /.well-known/openid-configuration | jq -r .issuer\n" $name $name) -}}
{{-   end -}}
{{-   $secret := or (has "token" $methods) (has "service-account" $methods) (has "issued-key" $methods) -}}
{{-   $outside := include "countersign.outside" $listener -}}
{{-   if and $secret $outside (not $listener.tls) (not $listener.danger_cleartext_tokens) -}}
{{-     fail (printf "\n\nThe listener `%s` would take tokens in clear. Either give it a certificate:\n\n  tls:\n    %s:\n      secretName: countersign-tls    # with tls.crt and tls.key\n\n(or `certManager.issuerRef`), or accept that whoever sees the network traffic can read the tokens, because a mesh\nencrypts it for example: config.listener.%s.danger_cleartext_tokens: true\n" $name $name $name) -}}
{{-   end -}}
{{-   if and (has "mtls" $methods) (not ($listener.tls | default dict).client_ca) -}}
{{-     fail (printf "\n\nThe listener `%s` asks clients for certificates, and no authority of theirs is named. Set tls.%s with\n`clientCa: true` (its Secret has ca.crt) or `clientCaSecretName`.\n" $name $name) -}}
{{-   end -}}
{{- end -}}
{{- end -}}
