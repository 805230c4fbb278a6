//! htpasswd files, registry credentials, dockerconfigjson pull secrets and registry host names.
