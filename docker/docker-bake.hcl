# All images at once, with BuildKit:  docker buildx bake -f docker/docker-bake.hcl   (or one: … mime-cpu)

variable "REVISION" {
  default = "unknown"
}

group "default" {
  targets = ["paper"]
}

target "paper" {
  name       = "${paper}-${device}"
  context    = "."
  dockerfile = "docker/Dockerfile"
  matrix = {
    paper  = ["amigo", "mi_asym", "mime", "mummi", "sami"]
    device = ["cpu", "gpu"]
  }
  args = {
    PAPER    = paper
    DEVICE   = device
    REVISION = REVISION
  }
  tags = ["mirl/${paper}:${device}"]
}
