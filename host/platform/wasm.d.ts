// What importing a wasm file gives where Workers are bundled: the module, compiled.

declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
