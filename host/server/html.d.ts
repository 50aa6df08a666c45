// Pages are bundled as text. Says so to the compiler; knows nothing of which there are.

declare module "*.html" {
  const text: string;
  export default text;
}
