{{/* The ports of the routes' endpoints, or of the proxies on the way, and AWS's token service; numbers, as JSON. */}}
{{- define "countersign.outward" -}}
{{- $ports := list -}}
{{- range include "countersign.hops" (pick . "route") | fromJsonArray -}}
{{-   if regexMatch "^[0-9]+$" . }}{{ $ports = append $ports (int .) }}{{ end -}}
{{- end -}}
{{- range .key | default dict -}}
{{-   $asks := or .role (has .source (list "web-identity" "default")) -}}
{{-   if and (eq (.kind | default "sealed") "aws") $asks }}{{ $ports = append $ports 443 }}{{ end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}

{{/* Where a pod asks for a key of AWS: EKS Pod Identity, the node's metadata service. */}}
{{- define "countersign.roles" -}}
{{- $sources := list -}}
{{- range .key | default dict -}}
{{-   if eq (.kind | default "sealed") "aws" }}{{ $sources = append $sources .source }}{{ end -}}
{{- end -}}
{{- if or (has "container" $sources) (has "default" $sources) }}
# The agent of EKS Pod Identity.
- to:
    - ipBlock:
        cidr: 169.254.170.23/32
    - ipBlock:
        cidr: fd00:ec2::23/128
  ports:
    - protocol: TCP
      port: 80
{{- end }}
{{- if or (has "instance" $sources) (has "default" $sources) }}
# The metadata service of the node.
- to:
    - ipBlock:
        cidr: 169.254.169.254/32
    - ipBlock:
        cidr: fd00:ec2::254/128
  ports:
    - protocol: TCP
      port: 80
{{- end }}
{{- end -}}
